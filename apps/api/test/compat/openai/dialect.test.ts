import { ERROR_CATALOGUE, type ErrorCode, FleetError } from '@comfy-fleet/contracts';
import { describe, expect, it } from 'vitest';
import { openaiDialect } from '../../../src/facades/openai/dialect.js';

const errorReply = (error: FleetError) => openaiDialect.problem(error, '/v1/x');

const codes = Object.keys(ERROR_CATALOGUE) as ErrorCode[];
const bodyOf = (error: FleetError) => (errorReply(error).body as { error: Record<string, unknown> }).error;

describe("an error in OpenAI's format", () => {
  it.each(codes)('%s has a status that its clients know, and all four fields', (code) => {
    const { status, body } = errorReply(new FleetError(code, 'Why.'));
    expect([400, 401, 403, 404, 405, 408, 409, 413, 415, 416, 421, 429, 500, 503]).toContain(status);
    expect(Object.keys((body as { error: object }).error).sort()).toEqual(['code', 'message', 'param', 'type']);
  });

  it("has OpenAI's code if there is one", () => {
    const resultOf = (code: ErrorCode) => [
      errorReply(new FleetError(code, 'Why.')).status,
      bodyOf(new FleetError(code, 'Why.')).code,
    ];
    expect(resultOf('unauthorized')).toEqual([401, 'invalid_api_key']);
    expect(resultOf('rate_limited')).toEqual([429, 'rate_limit_exceeded']);
    expect(resultOf('queue_full')).toEqual([429, 'queue_full']);
    expect(resultOf('workflow_not_found')).toEqual([404, 'model_not_found']);
    expect(resultOf('storage_full')).toEqual([503, 'storage_full']);
    expect(resultOf('out_of_memory')).toEqual([500, 'out_of_memory']);
  });

  it('names the first parameter, and lists every error in its message', () => {
    const errors = [
      { pointer: '/image[]', detail: 'is required' },
      { pointer: '', detail: 'something else' },
    ];
    expect(bodyOf(new FleetError('validation_failed', 'x', { errors }))).toEqual({
      message: 'image is required. something else.',
      type: 'invalid_request_error',
      param: 'image',
      code: null,
    });
  });
});
