import { FleetError } from '@comfy-fleet/contracts';
import { expect, it } from 'vitest';
import { comfyV2Dialect } from '../../src/facades/comfy-v2/dialect.js';
import { comfyuiDialect } from '../../src/facades/comfyui/dialect.js';
import { openaiDialect } from '../../src/facades/openai/dialect.js';
import { dialectOf, refusal } from '../../src/server/problems.js';

const errors = [{ pointer: '/prompt', detail: 'is required' }];
const INVALID = new FleetError('validation_failed', '/prompt is required.', { errors });
const LATER = new FleetError('rate_limited', 'Too many.', { retryAfterSeconds: 7 });

it('each report an error in their own format', () => {
  const [comfyui, v2, openai] = [comfyuiDialect, comfyV2Dialect, openaiDialect].map(
    ({ problem }) => problem(INVALID, '/x').body,
  );
  expect(comfyui).toEqual({
    error: {
      type: 'validation_failed',
      message: 'The request has invalid fields',
      details: '/prompt is required.',
      extra_info: { errors },
    },
    node_errors: {},
  });
  expect(JSON.parse(v2 as string)).toEqual({
    error: { code: 'invalid_request', message: '/prompt is required.', details: { errors } },
  });
  expect(openai).toEqual({
    error: {
      message: 'prompt is required.',
      type: 'invalid_request_error',
      param: 'prompt',
      code: null,
    },
  });
});

it.each([comfyuiDialect, comfyV2Dialect, openaiDialect])(
  'of $prefix set the same headers as our own API',
  (dialect) => {
    const later = refusal(LATER, { path: `${dialect.prefix}/x`, dialects: [dialect] });
    expect([later.status, later.headers, later.refused]).toEqual([429, { 'Retry-After': '7' }, 'rate_limited']);
    const stranger = refusal(new FleetError('unauthorized', 'Who?'), {
      path: `${dialect.prefix}/x`,
      dialects: [dialect],
    });
    expect([stranger.status, stranger.headers]).toEqual([401, { 'WWW-Authenticate': 'Bearer' }]);
  },
);

it('are chosen by the whole prefix, in upper or lower case', () => {
  const of = (path: string) => dialectOf([comfyuiDialect, comfyV2Dialect, openaiDialect], path)?.prefix;
  expect(['/comfyui', '/ComfyUI/x', '/comfyuis', '/api/v2/jobs', '/api/v22', '/v1', '/'].map(of)).toEqual([
    '/comfyui',
    '/comfyui',
    undefined,
    '/api/v2',
    undefined,
    '/v1',
    undefined,
  ]);
});
