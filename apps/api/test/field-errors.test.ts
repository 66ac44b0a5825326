import { loadConfig } from '@comfy-fleet/config';
import {
  generateRequestSchema,
  img2imgRequestSchema,
  jobListQuerySchema,
  runRequestSchema,
} from '@comfy-fleet/contracts';
import type { TObject } from 'typebox';
import { expect, it } from 'vitest';
import { fieldError } from '../src/server/field-errors.js';
import { createValidator } from '../src/server/validator.js';

const { limits } = loadConfig({});

it.each([
  ['num_inference_steps', 'the fields are prompt, ', 'POST /generate', generateRequestSchema(limits)],
  ['image_url2', 'did you mean image_url?', 'POST /img2img', img2imgRequestSchema(limits)],
  ['limits', 'did you mean limit?', 'GET /jobs', jobListQuerySchema],
  ['prompt', 'put it under `inputs`', 'POST /workflows/:name', runRequestSchema(limits)],
  ['num_outputs', 'put it under `inputs`', 'POST /workflows/:name', runRequestSchema(limits)],
  ['metdata', 'did you mean metadata?', 'POST /workflows/:name', runRequestSchema(limits)],
])('suggests for the unknown field %s: %s (%s)', (field, advice, _call, schema) => {
  const { errors } = createValidator(schema as TObject)({ prompt: 'x', [field]: '2' }, { isForm: false });
  const fault = errors.find(({ pointer }) => pointer === `/${field}`);
  expect(fault?.detail).toMatch(/^unknown field; /);
  expect(fault?.detail).toContain(advice);
});

it('counts the entries of a list before it compares them', () => {
  const events = Array.from({ length: 101 }, (_, n) => ({ n }));
  const body = { prompt: 'x', webhook: { url: 'https://example.com', events } };
  const { errors } = createValidator(generateRequestSchema(limits) as TObject)(body, { isForm: false });
  expect(errors).toEqual([{ pointer: '/webhook/events', detail: 'has 101 entries; at most 100 are allowed' }]);
});

it('puts no full stop after a question', () => {
  const detail = (text: string) => fieldError('validation_failed', '/promt', text).detail;
  expect(detail('unknown field; did you mean prompt?')).toBe('/promt unknown field; did you mean prompt?');
  expect(detail('is required')).toBe('/promt is required.');
});
