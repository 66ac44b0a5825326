import { ERROR_CATALOGUE, type ErrorCode, type FleetError } from '@comfy-fleet/contracts';
import { bounded, type Dialect } from '../../server/problems.js';

/** OpenAI's error object. */
export interface OpenAiError {
  readonly message: string;
  readonly type: string;
  readonly param: string | null;
  readonly code: string | null;
}

/** Longer parameter names are cut off in errors. */
const MAX_PARAM_CHARS = 100;

/** OpenAI's codes for our codes; codes that are not listed stay as they are. */
const CODES: Readonly<Partial<Record<ErrorCode, string | null>>> = {
  unauthorized: 'invalid_api_key',
  workflow_not_found: 'model_not_found',
  rate_limited: 'rate_limit_exceeded',
  validation_failed: null,
  malformed_json: null,
  malformed_request: null,
  not_found: null,
};

export const openaiDialect: Dialect = {
  prefix: '/v1',
  problem: (error) => ({ status: statusOf(error.code), body: { error: openAiError(error) } }),
};

export function openAiError({ code, detail, errors }: Pick<FleetError, 'code' | 'detail' | 'errors'>): OpenAiError {
  const [first] = errors;
  const { [code]: called = code } = CODES;
  const status = statusOf(code);
  const fault = status >= 500 ? 'server_error' : 'invalid_request_error';
  return {
    message: bounded(errors.length === 0 ? detail : errors.map(sentence).join(' ')),
    type: status === 429 ? 'rate_limit_error' : fault,
    param: (first && paramOf(first.pointer)) ?? null,
    code: called,
  };
}

/** OpenAI has no 422, and its clients retry only the server errors 500 and 503. */
export function statusOf(code: ErrorCode): number {
  const { status, retryable } = ERROR_CATALOGUE[code];
  if (status === 422) return 400;
  if (status < 500 || status === 503) return status;
  return retryable && status === 507 ? 503 : 500;
}

function sentence({ pointer, detail }: { readonly pointer: string; readonly detail: string }): string {
  return `${paramOf(pointer) ?? ''} ${detail.replace(/\.$/, '')}.`.trimStart();
}

/** `/image[]` is the parameter image. */
function paramOf(pointer: string): string | undefined {
  const name = pointer.split('/')[1]?.replace(/\[\d*\]$/, '');
  return name && bounded(name, MAX_PARAM_CHARS);
}
