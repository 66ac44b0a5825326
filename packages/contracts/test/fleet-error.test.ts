import { describe, expect, it } from 'vitest';
import { ERROR_CATALOGUE, type ErrorCode, FleetError } from '../src/index.js';

const codes = Object.keys(ERROR_CATALOGUE) as ErrorCode[];

describe('the error catalogue', () => {
  it.each(codes)('gives %s an HTTP status of an error and a title without a full stop', (code) => {
    const { status, title } = ERROR_CATALOGUE[code];
    expect(code).toMatch(/^[a-z]+(_[a-z]+)*$/);
    expect(status).toBeGreaterThanOrEqual(400);
    expect(status).toBeLessThan(600);
    expect(title).toMatch(/^[A-Z].*[^.]$/);
  });

  it('marks no 4xx error of requests as retryable, except a URL that does not answer', () => {
    const refusedAgain = codes.filter((code) =>
      [400, 404, 405, 413, 415, 416, 422].includes(ERROR_CATALOGUE[code].status),
    );
    // Another server may be back.
    expect(refusedAgain.filter((code) => ERROR_CATALOGUE[code].retryable)).toEqual(['url_unreachable']);
  });

  it.each(['queue_full', 'queue_unavailable', 'instance_unreachable', 'prompt_lost', 'out_of_memory'] as const)(
    'calls %s retryable, since it passes',
    (code) => {
      expect(ERROR_CATALOGUE[code].retryable).toBe(true);
    },
  );
});

describe('FleetError', () => {
  it('has its code, the entry of the catalogue, and the options', () => {
    const cause = new Error('ECONNREFUSED');
    const errors = [{ pointer: '/seed', detail: 'too large' }];
    const error = new FleetError('queue_unavailable', 'Try later.', {
      cause,
      errors,
      nodeId: '5',
      retryAfterSeconds: 1,
    });
    expect(error).toBeInstanceOf(Error);
    expect(error).toMatchObject({
      name: 'FleetError',
      message: 'queue_unavailable: Try later.',
      code: 'queue_unavailable',
      detail: 'Try later.',
      title: 'The queue cannot be reached',
      status: 503,
      retryable: true,
      nodeId: '5',
      retryAfterSeconds: 1,
      errors,
      cause,
    });
  });

  it('has no errors, node or waiting time by default', () => {
    const error = new FleetError('not_found', 'Nothing here.');
    expect([error.errors, error.nodeId, error.retryAfterSeconds, error.cause]).toEqual([
      [],
      undefined,
      undefined,
      undefined,
    ]);
  });
});
