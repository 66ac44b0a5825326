import type { ErrorCode, FleetError } from '@comfy-fleet/contracts';
import { showJson } from '@comfy-fleet/workflows';
import type { Dialect } from '../../server/dialect.js';
import { bounded, boundedFaults } from '../../server/problems.js';
import { ComfyV2Error } from './errors.js';

/** What its specification calls what we have another word for; any other word is its own. */
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
  problem: (error) => ({
    status: error.status,
    // What it repeats of a graph may have whole numbers of any size.
    body: showJson({ error: { code: codeOf(error), message: bounded(error.detail), details: detailsOf(error) } }),
  }),
};

function codeOf(error: FleetError): string {
  return error instanceof ComfyV2Error ? error.apiCode : (CODES[error.code] ?? error.code);
}

function detailsOf(error: FleetError): object | null {
  if (error instanceof ComfyV2Error) return error.details ?? null;
  return error.errors.length === 0 ? null : { errors: boundedFaults(error.errors) };
}
