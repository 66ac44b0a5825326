import { describe, expect, it } from 'vitest';
import { connectionError } from '../src/connection-errors.js';

const system = (code: string, syscall?: string) => Object.assign(new Error(`${syscall} ${code}`), { code, syscall });

/** As axios throws it: the error of the socket is the cause. */
const wrapped = (cause: Error & { code?: string }) =>
  Object.assign(new Error(cause.message, { cause }), { code: cause.code });

describe('connectionError', () => {
  it('knows that nothing was sent when every address of a host refused', () => {
    const attempts = [system('ECONNREFUSED', 'connect'), system('ECONNREFUSED', 'connect')];
    const error = connectionError(
      'gpu/1',
      wrapped(Object.assign(new AggregateError(attempts, ''), { code: 'ECONNREFUSED' })),
    );
    expect(error).toMatchObject({
      code: 'instance_unreachable',
      detail: 'The ComfyUI instance gpu/1 refused the connection.',
      mayHaveArrived: false,
    });
  });

  it.each([
    ['ETIMEDOUT', 'connect', false],
    ['EHOSTUNREACH', 'connect', false],
    ['EAI_AGAIN', 'getaddrinfo', false],
    ['ETIMEDOUT', 'read', true],
    ['EPIPE', 'write', true],
    ['ECONNRESET', undefined, true],
  ])('%s of %s: may have arrived is %s', (code, syscall, mayHaveArrived) => {
    expect(connectionError('gpu/1', wrapped(system(code, syscall)))).toMatchObject({ mayHaveArrived });
  });

  it('keeps of the cause only what a log can take', () => {
    const axiosError = Object.assign(wrapped(system('ECONNRESET')), { config: { url: 'http://x' }, request: {} });
    const { cause } = connectionError('gpu/1', axiosError);
    expect(Object.keys(cause as object)).toEqual(['code']);
  });
});
