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

  /** Nothing listens at its port. */
  get isRefused(): boolean {
    return this.cause instanceof Error && 'code' in this.cause && this.cause.code === 'ECONNREFUSED';
  }
}

/**
 * The instance, or a proxy in front of it, answered 401 or 403: nothing can be had there until its headers are right. As
 * good as out of reach, and no job's fault; what was asked did not get through.
 */
export class CredentialsRefused extends InstanceUnreachable {
  /** What is to be done, for operators: a clause. */
  readonly advice: string;

  constructor(instance: string, status: number, hasHeaders: boolean) {
    const { refusal, advice } = describeRefusal(instance, status, hasHeaders);
    super(`The ComfyUI instance ${instance} ${refusal}.`, { mayHaveArrived: false });
    this.name = 'CredentialsRefused';
    this.advice = advice;
  }
}

/** What a 401 or 403 to requests means, with or without headers of the instance, and what to do about it: two clauses. */
export function describeRefusal(instance: string, status: number, hasHeaders: boolean) {
  if (hasHeaders) {
    return {
      refusal: `refused our credentials (${status})`,
      advice: `check headers of ${instance} in COMFYUI_INSTANCES_FILE`,
    };
  }
  return {
    refusal: status === 401 ? 'asks for credentials (401)' : `does not let us in (${status})`,
    advice: `give ${instance} headers in COMFYUI_INSTANCES_FILE`,
  };
}

/** Whether a status says that we were not let in. */
export const isRefusal = (status: number): boolean => status === 401 || status === 403;

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

/** An answer is larger than we take. */
export class AnswerTooLarge extends FleetError {
  constructor(instance: string, cause: unknown) {
    super('comfyui_error', `The ComfyUI instance ${instance} answered more than can be taken.`, { cause });
    this.name = 'AnswerTooLarge';
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
