import { FleetError } from '@comfy-fleet/contracts';
import type { ComfyError, NodeErrors } from '@comfy-fleet/workflows';

/** A refusal in ComfyUI's own words. */
export class ComfyuiRefusal extends FleetError {
  readonly error: ComfyError;
  readonly nodeErrors: NodeErrors;

  constructor(error: ComfyError, nodeErrors: NodeErrors = {}) {
    super('validation_failed', error.details || error.message);
    this.error = error;
    this.nodeErrors = nodeErrors;
  }
}

/** One without faults of nodes. */
export function refused(type: string, message: string, details = message): ComfyuiRefusal {
  return new ComfyuiRefusal({ type, message, details, extra_info: {} });
}
