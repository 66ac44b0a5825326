import { FleetError } from '@comfy-fleet/contracts';
import { expect, it } from 'vitest';
import { problem } from '../src/server/problems.js';

const LONG = 'x'.repeat(1_000_000);

it('keeps a problem small, no matter how much of the request it repeats', () => {
  const errors = Array.from({ length: 10_000 }, (_, n) => ({ pointer: `/${n}${LONG.slice(0, 5000)}`, detail: LONG }));
  const { body } = problem(new FleetError('validation_failed', LONG, { errors }), `/${LONG}`);
  const text = JSON.stringify(body);
  expect(text.length).toBeLessThan(25_000);
  expect(text).toMatch(/and 999\d more/);
});

it('does not shorten a problem of ordinary size', () => {
  const errors = [{ pointer: '/prompt', detail: 'is required' }];
  expect(
    problem(new FleetError('validation_failed', '/prompt is required.', { errors }), '/generate').body,
  ).toMatchObject({
    detail: '/prompt is required.',
    instance: '/generate',
    errors,
  });
});

it('does not split a character', () => {
  const { body } = problem(new FleetError('malformed_request', '😀'.repeat(5000)), `/x${'😀'.repeat(2000)}`);
  expect(JSON.stringify(body)).not.toMatch(/\\ud/i);
});
