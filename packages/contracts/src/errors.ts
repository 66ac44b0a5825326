import Type, { type Static } from 'typebox';
import { named } from './schema-parts.js';

interface ErrorEntry {
  /** HTTP status of a request that fails with it; for errors of jobs, the status that a request would get. */
  readonly status: number;
  readonly title: string;
  /** Whether the same request may succeed later. */
  readonly retryable: boolean;
}

const entry = (status: number, title: string, retryable = false): ErrorEntry => ({ status, title, retryable });

/** Every error that crosses a boundary, of requests and of jobs. */
export const ERROR_CATALOGUE = {
  // errors of requests
  malformed_json: entry(400, 'The body is not valid JSON'),
  malformed_request: entry(400, 'The request cannot be read'),
  unauthorized: entry(401, 'The request has no valid API key'),
  forbidden: entry(403, 'This API key may not do that'),
  not_found: entry(404, 'There is nothing at this address'),
  job_not_found: entry(404, 'There is no such job'),
  image_not_found: entry(404, 'There is no such picture'),
  asset_not_found: entry(404, 'There is no such asset'),
  file_not_found: entry(404, 'There is no such file'),
  webhook_not_found: entry(404, 'The job has no webhook'),
  instance_not_found: entry(404, 'There is no such instance'),
  pool_not_found: entry(404, 'There is no such pool'),
  key_not_found: entry(404, 'There is no such API key'),
  workflow_not_found: entry(404, 'There is no such workflow'),
  model_not_found: entry(404, 'There is no such model'),
  method_not_allowed: entry(405, 'This address does not take this method'),
  body_too_slow: entry(408, 'The body arrived too slowly', true),
  wrong_job_state: entry(409, 'The job is not in a state that allows this'),
  asset_in_use: entry(409, 'A job needs the asset'),
  workflow_is_a_file: entry(409, 'The workflow is a file of the server'),
  hash_mismatch: entry(409, 'The file does not match the announced hash'),
  body_too_large: entry(413, 'The body is too large'),
  unsupported_media_type: entry(415, 'The content type is not supported'),
  range_not_satisfiable: entry(416, 'The file does not have this range'),
  wrong_host: entry(421, 'This host is not served here'),
  validation_failed: entry(422, 'The request has invalid fields'),
  invalid_workflow: entry(422, 'The workflow cannot be published'),
  invalid_image: entry(422, 'The picture cannot be used'),
  no_able_instance: entry(422, 'No instance of the fleet can run this'),
  url_not_allowed: entry(422, 'This URL is not allowed'),
  url_unreachable: entry(422, 'The picture could not be fetched', true),
  idempotency_key_reused: entry(422, 'The Idempotency-Key was used for another request'),
  rate_limited: entry(429, 'Too many requests', true),
  upload_limit_reached: entry(429, 'Too many bytes were uploaded today', true),
  gpu_limit_reached: entry(429, 'Too much GPU time was used today', true),
  too_many_streams: entry(429, 'Too many event streams or downloads are open, or requests waiting', true),
  queue_full: entry(429, 'The queue is full', true),
  internal_error: entry(500, 'Something went wrong on our side', true),
  overloaded: entry(503, 'Too many requests are in progress', true),
  queue_unavailable: entry(503, 'The queue cannot be reached', true),
  storage_full: entry(507, 'There is no disk space for more files', true),
  storage_share_exceeded: entry(507, 'The files of this API key fill its share of the storage', true),
  // errors of jobs
  workflow_missing: entry(500, 'The workflow of the job is no longer stored'),
  workflow_rejected: entry(422, 'ComfyUI refused the workflow'),
  node_execution_error: entry(500, 'A node of the workflow failed'),
  out_of_memory: entry(500, 'The GPU ran out of memory', true),
  gpu_failed: entry(500, 'The GPU or its driver failed', true),
  model_unreadable: entry(500, 'A model file could not be read', true),
  instance_io_failed: entry(500, 'The disk of the instance failed', true),
  library_missing: entry(500, 'A library that a node needs is missing on the instance', true),
  interrupted: entry(500, 'Somebody interrupted the prompt in ComfyUI', true),
  no_output: entry(500, 'A picture that the workflow made is damaged'),
  output_too_large: entry(500, 'The workflow made more output than allowed'),
  input_missing: entry(500, 'An input file is no longer stored'),
  instance_unreachable: entry(503, 'The ComfyUI instance cannot be reached', true),
  comfyui_error: entry(502, 'ComfyUI gave an unexpected answer', true),
  prompt_lost: entry(502, 'ComfyUI lost the prompt', true),
  storage_failed: entry(507, 'The pictures could not be stored', true),
  instance_killed: entry(500, 'ComfyUI died too often under this job'),
  timed_out: entry(504, 'The execution took too long'),
  worker_killed: entry(500, 'The worker died too often under this job'),
} as const satisfies Record<string, ErrorEntry>;

export type ErrorCode = keyof typeof ERROR_CATALOGUE;

/** An invalid field: a JSON pointer into the body, and how to fix it. */
export interface FieldError {
  readonly pointer: string;
  readonly detail: string;
}

/** An exception of a node as ComfyUI reported it, shortened and without paths of its machine. */
export interface NodeException {
  /** Its class: `ValueError`. */
  readonly type: string;
  readonly message: string;
  /** Class of the node. */
  readonly nodeClass: string;
  readonly traceback: readonly string[];
}

export interface FleetErrorOptions {
  readonly errors?: readonly FieldError[];
  /** The node that failed. */
  readonly nodeId?: string;
  readonly exception?: NodeException;
  readonly retryAfterSeconds?: number;
  readonly cause?: unknown;
}

/** The only error that may cross a boundary. `detail` tells the caller what is wrong and what to do. */
export class FleetError extends Error {
  readonly code: ErrorCode;
  readonly detail: string;
  readonly errors: readonly FieldError[];
  readonly nodeId: string | undefined;
  /** Only shown by APIs that answer as ComfyUI does. */
  readonly exception: NodeException | undefined;
  readonly retryAfterSeconds: number | undefined;

  constructor(code: ErrorCode, detail: string, options: FleetErrorOptions = {}) {
    super(`${code}: ${detail}`, { cause: options.cause });
    this.name = 'FleetError';
    this.code = code;
    this.detail = detail;
    this.errors = options.errors ?? [];
    this.nodeId = options.nodeId;
    this.exception = options.exception;
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

/** RFC 9457 problem details with our `code` and, for validation, one entry per invalid field. */
export const problemSchema = named('Problem', {
  type: Type.String({ description: '`urn:comfy-fleet:problem:` and the code.' }),
  title: Type.String({ description: 'The meaning of the code, always the same for one code.' }),
  status: Type.Integer({ description: 'The HTTP status.' }),
  detail: Type.String({ description: 'What is wrong with this request, and how to fix it.' }),
  instance: Type.String({ description: 'The path of the request.' }),
  code: Type.String({ description: 'The code for programs: one of those listed with the response.' }),
  errors: Type.Optional(
    Type.Array(named('FieldError', { pointer: Type.String(), detail: Type.String() }), {
      description:
        'One entry for each invalid field, with a JSON pointer into the body, or a slash and the name of the parameter.',
    }),
  ),
});

export type Problem = Static<typeof problemSchema>;
