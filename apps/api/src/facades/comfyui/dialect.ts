import { showJson } from '@comfy-fleet/workflows';
import type { Dialect } from '../../server/dialect.js';
import { bounded, boundedFaults } from '../../server/problems.js';
import { ComfyuiRefusal } from './refusal.js';

export const COMFYUI_PREFIX = '/comfyui';

/** ComfyUI has 400 for all that is wrong with a request. */
const STATUSES: Readonly<Record<number, number>> = { 415: 400, 422: 400 };

/** Whatever went wrong, the body is the one that ComfyUI has for a prompt that it refuses. */
export const comfyuiDialect: Dialect = {
  prefix: COMFYUI_PREFIX,
  problem: (error) => {
    const { code, title, detail, errors } = error;
    const status = STATUSES[error.status] ?? error.status;
    if (error instanceof ComfyuiRefusal) {
      return { status, body: showJson({ error: error.error, node_errors: error.nodeErrors }) };
    }
    const extra_info = errors.length === 0 ? {} : { errors: boundedFaults(errors) };
    return {
      status,
      body: { error: { type: code, message: title, details: bounded(detail), extra_info }, node_errors: {} },
    };
  },
};
