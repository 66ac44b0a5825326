import { type ErrorCode, FleetError } from '@comfy-fleet/contracts';
import { boundedNodeErrors, type NodeErrors, showJson } from '@comfy-fleet/workflows';
import { bounded, boundedFaults, type Dialect } from '../../server/problems.js';

/** An error with a code or details that only the specification has. */
export class ComfyV2Error extends FleetError {
  readonly apiCode: string;
  readonly details: Readonly<Record<string, unknown>> | undefined;

  constructor(code: ErrorCode, apiCode: string, detail: string, details?: Readonly<Record<string, unknown>>) {
    super(code, detail);
    this.apiCode = apiCode;
    this.details = details;
  }
}

/** A graph that cannot run. `nodeErrors` has the form that ComfyUI uses. */
export function invalidWorkflow(detail: string, nodeErrors?: NodeErrors): ComfyV2Error {
  const details = nodeErrors === undefined ? undefined : { node_errors: boundedNodeErrors(nodeErrors) };
  return new ComfyV2Error('validation_failed', 'invalid_workflow', detail, details);
}

/** The specification's codes for our codes; codes that are not listed are the same in both. */
const CODES: Partial<Record<ErrorCode, string>> = {
  malformed_json: 'invalid_request',
  malformed_request: 'invalid_request',
  method_not_allowed: 'invalid_request',
  body_too_slow: 'invalid_request',
  body_too_large: 'invalid_request',
  unsupported_media_type: 'invalid_request',
  range_not_satisfiable: 'invalid_request',
  validation_failed: 'invalid_request',
  invalid_image: 'invalid_request',
  wrong_host: 'forbidden',
  job_not_found: 'not_found',
  asset_not_found: 'not_found',
  file_not_found: 'not_found',
  no_able_instance: 'invalid_workflow',
  idempotency_key_reused: 'idempotency_key_reuse',
  upload_limit_reached: 'rate_limited',
  gpu_limit_reached: 'rate_limited',
  internal_error: 'upstream_error',
  overloaded: 'upstream_error',
  queue_unavailable: 'upstream_error',
  storage_full: 'upstream_error',
  storage_share_exceeded: 'upstream_error',
  storage_failed: 'upstream_error',
};

export const comfyV2Dialect: Dialect = {
  prefix: '/api/v2',
  problem: (error) => {
    const isOwn = error instanceof ComfyV2Error;
    const code = isOwn ? error.apiCode : (CODES[error.code] ?? error.code);
    const faults = error.errors.length === 0 ? null : { errors: boundedFaults(error.errors) };
    const details = isOwn ? (error.details ?? null) : faults;
    // Details may repeat bigints from a graph, which JSON.stringify refuses.
    return { status: error.status, body: showJson({ error: { code, message: bounded(error.detail), details } }) };
  },
};
