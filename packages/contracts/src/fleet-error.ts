import { ERROR_CATALOGUE, type ErrorCode } from './error-codes.js';

/** One field's fault: a JSON pointer into the body, and what to do about it. */
export interface FieldError {
  readonly pointer: string;
  readonly detail: string;
}

export interface FleetErrorOptions {
  readonly errors?: readonly FieldError[];
  /** The workflow node at fault. */
  readonly nodeId?: string;
  readonly retryAfterSeconds?: number;
  readonly cause?: unknown;
}

/** The only error that may cross a boundary. `detail` is written for the caller: what is wrong and what to do. */
export class FleetError extends Error {
  readonly code: ErrorCode;
  readonly detail: string;
  readonly errors: readonly FieldError[];
  readonly nodeId: string | undefined;
  readonly retryAfterSeconds: number | undefined;

  constructor(code: ErrorCode, detail: string, options: FleetErrorOptions = {}) {
    super(`${code}: ${detail}`, { cause: options.cause });
    this.name = 'FleetError';
    this.code = code;
    this.detail = detail;
    this.errors = options.errors ?? [];
    this.nodeId = options.nodeId;
    this.retryAfterSeconds = options.retryAfterSeconds;
  }

  get title(): string {
    return ERROR_CATALOGUE[this.code].title;
  }

  get status(): number {
    return ERROR_CATALOGUE[this.code].status;
  }

  get retryable(): boolean {
    return ERROR_CATALOGUE[this.code].retryable;
  }
}
