import { ERROR_CATALOGUE, type ErrorCode, type FleetError } from '@comfy-fleet/contracts';
import { bounded } from '../../server/problems.js';

/** An error as clients of OpenAI read it. */
export interface OpenAiError {
  readonly message: string;
  readonly type: string;
  readonly param: string | null;
  readonly code: string | null;
}

/** Of a name that a request had made up. */
const MOST_PARAM_CHARS = 100;

/** What OpenAI calls it; the others keep our codes. */
const CODES: Readonly<Partial<Record<ErrorCode, string | null>>> = {
  unauthorized: 'invalid_api_key',
  workflow_not_found: 'model_not_found',
  rate_limited: 'rate_limit_exceeded',
  validation_failed: null,
  malformed_json: null,
  malformed_request: null,
  not_found: null,
};

/** An error of the catalogue in OpenAI's words. */
export function openAiError({ code, detail, errors }: Pick<FleetError, 'code' | 'detail' | 'errors'>): OpenAiError {
  const [first] = errors;
  const { [code]: called = code } = CODES;
  return {
    message: bounded(errors.length === 0 ? detail : errors.map(sentence).join(' ')),
    type: typeOf(statusOf(code)),
    param: (first && paramOf(first.pointer)) ?? null,
    code: called,
  };
}

/** OpenAI knows no 422, and of the server's faults only 500 and 503: what retries knows those. */
export function statusOf(code: ErrorCode): number {
  const { status, retryable } = ERROR_CATALOGUE[code];
  if (status === 422) return 400;
  if (status < 500 || status === 503) return status;
  return retryable && status === 507 ? 503 : 500;
}

function typeOf(status: number): string {
  if (status === 429) return 'rate_limit_error';
  return status >= 500 ? 'server_error' : 'invalid_request_error';
}

function sentence({ pointer, detail }: { readonly pointer: string; readonly detail: string }): string {
  return `${paramOf(pointer) ?? ''} ${detail.replace(/\.$/, '')}.`.trimStart();
}

/** `/image[]` is the parameter image. */
function paramOf(pointer: string): string | undefined {
  const name = pointer.split('/')[1]?.replace(/\[\d*\]$/, '');
  return name && bounded(name, MOST_PARAM_CHARS);
}
