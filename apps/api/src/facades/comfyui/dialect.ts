import { FleetError } from '@comfy-fleet/contracts';
import { boundedError, boundedNodeErrors, type ComfyError, type NodeErrors, showJson } from '@comfy-fleet/workflows';
import { bounded, boundedFaults, type Dialect } from '../../server/problems.js';

export const COMFYUI_PREFIX = '/comfyui';

/** An error in the form in which ComfyUI reports it. */
export class ComfyuiRefusal extends FleetError {
  readonly error: ComfyError;
  readonly nodeErrors: NodeErrors;

  constructor(error: ComfyError, nodeErrors: NodeErrors = {}) {
    super('validation_failed', error.details || error.message);
    this.error = error;
    this.nodeErrors = nodeErrors;
  }
}

export function refused(type: string, message: string, details = message): ComfyuiRefusal {
  return new ComfyuiRefusal({ type, message, details, extra_info: {} });
}

/** ComfyUI answers 400 to every invalid request. */
const STATUSES: Readonly<Record<number, number>> = { 415: 400, 422: 400 };

/** Reports every error as ComfyUI reports an invalid prompt. */
export const comfyuiDialect: Dialect = {
  prefix: COMFYUI_PREFIX,
  problem: (error) => {
    const { code, title, detail, errors } = error;
    const status = STATUSES[error.status] ?? error.status;
    if (error instanceof ComfyuiRefusal) {
      const body = { error: boundedError(error.error), node_errors: boundedNodeErrors(error.nodeErrors) };
      return { status, body: showJson(body) };
    }
    const extra_info = errors.length === 0 ? {} : { errors: boundedFaults(errors) };
    const own = { type: code, message: title, details: bounded(detail), extra_info };
    return { status, body: { error: own, node_errors: {} } };
  },
};
