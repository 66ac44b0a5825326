import type { FieldError } from '@comfy-fleet/contracts';
import { bounded, boundedFaults } from '../../http/bounded-problem.js';
import type { Dialect } from '../../http/dialect.js';

export const COMFYUI_PREFIX = '/comfyui';

/** An error as ComfyUI tells of one; the same body whatever went wrong. */
export interface ComfyuiError {
  readonly error: {
    readonly type: string;
    readonly message: string;
    readonly details: string;
    readonly extra_info: { readonly errors?: readonly FieldError[] };
  };
  readonly node_errors: object;
}

export const comfyuiDialect: Dialect = {
  prefix: COMFYUI_PREFIX,
  problem: ({ code, status, title, detail, errors }) => {
    const body: ComfyuiError = {
      error: {
        type: code,
        message: title,
        details: bounded(detail),
        extra_info: errors.length === 0 ? {} : { errors: boundedFaults(errors) },
      },
      node_errors: {},
    };
    return { status, body };
  },
};
