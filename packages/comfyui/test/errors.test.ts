import { errors } from 'undici';
import { describe, expect, it } from 'vitest';
import { connectionError, plainText } from '../src/errors.js';

const system = (code: string, syscall?: string) => Object.assign(new Error(`${syscall} ${code}`), { code, syscall });

describe('connectionError', () => {
  it('reports that nothing was sent when every address of a host refused', () => {
    const attempts = [system('ECONNREFUSED', 'connect'), system('ECONNREFUSED', 'connect')];
    const error = connectionError('gpu/1', Object.assign(new AggregateError(attempts, ''), { code: 'ECONNREFUSED' }));
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
    expect(connectionError('gpu/1', system(code, syscall))).toMatchObject({ mayHaveArrived });
  });

  it.each([
    [new errors.ConnectTimeoutError(), 'cannot be reached (UND_ERR_CONNECT_TIMEOUT)', false],
    [new errors.SocketError('other side closed'), 'broke off the connection', true],
    [new errors.ResponseContentLengthMismatchError(), 'broke off the connection', true],
    [new errors.HTTPParserError('no HTTP/1.1 protocol (Invalid EOF state)'), 'broke off the connection', true],
    [new errors.ClientDestroyedError(), 'cannot be reached (UND_ERR_DESTROYED)', true],
  ])('%s of undici: it %s, may have arrived is %s', (thrown, what, mayHaveArrived) => {
    const detail = `The ComfyUI instance gpu/1 ${what}.`;
    expect(connectionError('gpu/1', thrown)).toMatchObject({ code: 'instance_unreachable', detail, mayHaveArrived });
  });

  it.each([
    [new errors.HTTPParserError('no HTTP/1.1 protocol (Expected HTTP/)'), 'does not speak HTTP'],
    [new errors.HeadersOverflowError(), 'does not speak HTTP'],
    [new errors.ResponseExceededMaxSizeError(), 'answered more than can be taken'],
  ])('%s of undici is comfyui_error: it %s', (thrown, what) => {
    const detail = `The ComfyUI instance gpu/1 ${what}.`;
    expect(connectionError('gpu/1', thrown)).toMatchObject({ code: 'comfyui_error', detail });
  });

  it('keeps only the part of the cause that fits into a log', () => {
    const thrown = Object.assign(new errors.SocketError('closed'), {
      socket: { remoteAddress: '10.0.0.1' },
      data: 'x',
    });
    const { cause } = connectionError('gpu/1', thrown);
    expect(Object.keys(cause as object)).toEqual(['code']);
  });
});

describe('plainText', () => {
  it.each([
    ["cannot open '/home/me/Comfy UI/input/a b.png'", "cannot open 'a b.png'"],
    ['no such file: /srv/comfy/models/x.safetensors!', 'no such file: x.safetensors!'],
    ['no such file: C:\\Comfy\\models\\x.bin', 'no such file: x.bin'],
    ['see https://example.org/a/b', 'see https://example.org/a/b'],
    ['sub/one/up.png is 3/4 of a/b', 'sub/one/up.png is 3/4 of a/b'],
    ['two\n  lines\n', 'two lines'],
    [`x${'😀'.repeat(300)}`, `x${'😀'.repeat(199)}…`],
  ])('%j becomes %j', (text, plain) => {
    expect(plainText(text)).toBe(plain);
  });
});
