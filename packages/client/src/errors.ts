import type { FieldError, Job, Problem } from './api-types.js';

/** The API refused the request. The message says why. */
export class FleetError extends Error {
  override readonly name = 'FleetError';
  /** A stable code, such as `queue_full`. Base decisions on this field. */
  readonly code: string;
  /** The HTTP status. */
  readonly status: number;
  /** What is wrong with each field. */
  readonly errors: readonly FieldError[];
  /** Seconds after which the same request may succeed; undefined if the API did not say. */
  readonly retryAfterSeconds: number | undefined;
  /** Identifies the request in the server's log. */
  readonly requestId: string | undefined;

  constructor(problem: Pick<Problem, 'code' | 'status' | 'detail' | 'errors'>, headers: Headers) {
    super(problem.detail);
    this.code = problem.code;
    this.status = problem.status;
    this.errors = problem.errors ?? [];
    this.retryAfterSeconds = retryAfterOf(headers);
    this.requestId = headers.get('x-request-id') ?? undefined;
  }
}

/** The API did not answer. */
export class FleetUnreachableError extends Error {
  override readonly name = 'FleetUnreachableError';
}

/** The job failed, was canceled, or expired. */
export class JobEndedError extends Error {
  override readonly name = 'JobEndedError';
  readonly job: Job;
  /** The job's error code, such as `out_of_memory`, or `canceled` or `expired`. */
  readonly code: string;

  constructor(job: Job) {
    super(job.error?.detail ?? `The job ${job.id} ended as ${job.status}.`);
    this.job = job;
    this.code = job.error?.code ?? job.status;
  }
}

function retryAfterOf(headers: Headers): number | undefined {
  const given = headers.get('retry-after') ?? '';
  return /^\d+$/.test(given) ? Number(given) : undefined;
}
