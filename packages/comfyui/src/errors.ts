import { type ErrorCode, FleetError, type FleetErrorOptions } from '@comfy-fleet/contracts';

/**
 * The instance could not be reached, or it fell silent. `mayHaveArrived`: whether the request can have been received.
 */
export class InstanceUnreachable extends FleetError {
  readonly mayHaveArrived: boolean;

  constructor(detail: string, options: FleetErrorOptions & { mayHaveArrived: boolean }) {
    super('instance_unreachable', detail, options);
    this.name = 'InstanceUnreachable';
    this.mayHaveArrived = options.mayHaveArrived;
  }
}

/**
 * Nobody knows whether ComfyUI took the prompt: the connection broke, time ran out, or it answered 5xx, which it can do
 * with the prompt already in its queue. Look with `find` before submitting again; the same prompt id twice runs twice.
 */
export class SubmissionUnknown extends FleetError {
  readonly outcomeUnknown = true;

  constructor(code: Extract<ErrorCode, 'instance_unreachable' | 'comfyui_error'>, detail: string, cause: unknown) {
    super(code, detail, { cause });
    this.name = 'SubmissionUnknown';
  }
}

/**
 * ComfyUI no longer has the file that its history names: deleted on its disk, or a temp file from before a restart. An
 * identical graph "succeeds" from the cache and names the missing file again, until `free({ freeMemory: true })`.
 */
export class OutputMissing extends FleetError {
  constructor(detail: string) {
    super('comfyui_error', detail);
    this.name = 'OutputMissing';
  }
}
