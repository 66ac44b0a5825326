import type { FieldError, Job, Problem } from './api-types.js';

/** The API refused the request, and says why. */
export class FleetError extends Error {
  override readonly name = 'FleetError';
  /** Stable, such as `queue_full`: the one field to decide by. */
  readonly code: string;
  /** Of HTTP. */
  readonly status: number;
  /** What is wrong with which field. */
  readonly errors: readonly FieldError[];
  /** After how many seconds the same request may succeed; undefined: it was not said. */
  readonly retryAfterSeconds: number | undefined;
  /** Names the request in the server's log. */
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

/** The API did not answer, or what answered is not the API. */
export class FleetUnreachableError extends Error {
  override readonly name = 'FleetUnreachableError';
}

/** The job ended, but not well: it failed, was canceled, or did not start in time. */
export class JobEndedError extends Error {
  override readonly name = 'JobEndedError';
  readonly job: Job;
  /** Of the job's error, such as `out_of_memory`; `canceled` and `expired` for jobs that ended so. */
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
