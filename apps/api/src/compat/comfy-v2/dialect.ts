import type { ErrorCode } from '@comfy-fleet/contracts';
import { bounded, boundedFaults } from '../../http/bounded-problem.js';
import type { Dialect } from '../../http/dialect.js';

/** What its specification calls what we have another word for. */
const CODES: Partial<Record<ErrorCode, string>> = {
  job_not_found: 'not_found',
  asset_not_found: 'not_found',
  file_not_found: 'not_found',
  internal_error: 'upstream_error',
  idempotency_key_reused: 'idempotency_key_reuse',
};

export const comfyV2Dialect: Dialect = {
  prefix: '/api/v2',
  problem: ({ code, status, detail, errors }) => {
    const details = errors.length === 0 ? null : { errors: boundedFaults(errors) };
    return { status, body: { error: { code: CODES[code] ?? code, message: bounded(detail), details } } };
  },
};
