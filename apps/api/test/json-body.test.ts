import type { IncomingMessage } from 'node:http';
import { Readable } from 'node:stream';
import { brotliCompressSync, deflateSync, gzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { type JsonBodyLimits, readJsonBody } from '../src/http/json-body.js';
import { createPictureText } from '../src/pictures/picture-text.js';

const LIMITS: JsonBodyLimits = {
  depth: 8,
  values: 1000,
  names: 100,
  nameBytes: 100,
  mostBytes: 1_000_000,
  textBytes: 1000,
  ratio: 50,
  freeBytes: 1000,
};

/** A body that arrives in small pieces. */
function request(body: Buffer | string, headers: Record<string, string> = {}): IncomingMessage {
  const bytes = Buffer.from(body);
  const pieces = Array.from({ length: Math.ceil(bytes.length / 100) }, (_, n) =>
    bytes.subarray(n * 100, n * 100 + 100),
  );
  return Object.assign(Readable.from(pieces, { objectMode: false }), {
    headers: { 'content-type': 'application/json', ...headers },
  }) as unknown as IncomingMessage;
}

interface Read {
  readonly limits?: Partial<JsonBodyLimits>;
  readonly headers?: Record<string, string>;
  readonly arrived?: (bytes: number) => void;
}

const read = (body: Buffer | string, { limits = {}, headers, arrived = () => {} }: Read = {}) =>
  readJsonBody(request(body, headers), {
    limits: { ...LIMITS, ...limits },
    arrived,
    picture: () => createPictureText(1_000_000),
  });

const code = (expected: string, detail: RegExp | string = '') =>
  expect.objectContaining({ code: expected, detail: expect.stringMatching(detail) });
const image = (digits: number) => `{"prompt":"x","image":"${'A'.repeat(digits)}"}`;
const gzip = { 'content-encoding': 'gzip' };

describe('a body of JSON', () => {
  it('is what it says, its picture apart', async () => {
    const { value, picture } = await read('{"prompt":"é","image":"aGVsbG8="}');
    expect(value).toEqual({ prompt: 'é' });
    expect(`${picture?.picture().data}`).toBe('hello');
  });

  it.each([
    ['a field that is no string at last', '{"image":"aGk=","image":5}', { image: 5 }],
    ['an empty one', '{"image":""}', { image: '' }],
    ['one whose name is written otherwise', '{"im\\u0061ge":"aGk="}', { image: 'aGk=' }],
    ['one of an inner object', '{"metadata":{"image":"aGk="}}', { metadata: { image: 'aGk=' } }],
  ])('has no picture in %s', async (_, body, value) => {
    expect(await read(body)).toEqual({ value, picture: undefined });
  });

  it('may begin with a byte order mark', async () => {
    expect((await read('\ufeff{"a":1}')).value).toEqual({ a: 1 });
  });

  it.each([
    ['gzip', gzipSync],
    ['deflate', deflateSync],
    ['br', brotliCompressSync],
  ])('may be packed with %s, and counts as what it unpacks to', async (encoding, pack) => {
    let bytes = 0;
    const body = image(30_000);
    const arrived = (count: number) => {
      bytes += count;
    };
    const limits = { ratio: 10_000 };
    const { value } = await read(pack(body), { headers: { 'content-encoding': encoding }, arrived, limits });
    expect([value, bytes]).toEqual([{ prompt: 'x' }, body.length]);
  });

  it('is refused by whoever counts it as soon as it is too much', async () => {
    let pieces = 0;
    const arrived = () => {
      pieces += 1;
      if (pieces === 3) throw new Error('enough');
    };
    await expect(read(image(100_000), { arrived })).rejects.toThrow('enough');
    expect(pieces).toBe(3);
  });

  it.each<[string, string | Buffer, Read, ReturnType<typeof code>]>([
    ['too large', image(1_000_000), {}, code('body_too_large', /1000000 bytes/)],
    ['too large beside its picture', `{"a":"${'x'.repeat(1001)}"}`, {}, code('body_too_large', /besides a picture/)],
    ['too deep', '['.repeat(20), {}, code('body_too_large', /8 deep/)],
    ['packed too well', gzipSync(image(500_000)), { headers: gzip }, code('body_too_large', /50 times/)],
    ['not packed as it says', image(10), { headers: gzip }, code('malformed_request', /not gzip/)],
    ['cut off', gzipSync(image(10)).subarray(0, 20), { headers: gzip }, code('malformed_request', /not gzip/)],
    [
      'packed by nothing known',
      '{}',
      { headers: { 'content-encoding': 'zip' } },
      code('unsupported_media_type', /zip/),
    ],
    ['no JSON', '{"a":', {}, code('malformed_json')],
    ['no JSON beside its picture', '{"image":"aGk=",}', {}, code('malformed_json')],
    ['no JSON within its picture', '{"image":"aG\nk="}', {}, code('malformed_json')],
    ['no UTF-8', Buffer.from('{"a":"\xff"}', 'latin1'), {}, code('malformed_json', /UTF-8/)],
  ])('is refused that is %s', async (_, body, options, error) => {
    await expect(read(body, options)).rejects.toEqual(error);
  });

  it.each(['utf-8', 'UTF-8', '"utf-8"', 'utf8'])('may say that it is written in %s', async (charset) => {
    const headers = { 'content-type': `application/json; charset=${charset}` };
    expect((await read('{}', { headers })).value).toEqual({});
  });

  it.each(['utf-7', 'utf-16', 'latin1', 'utf-32', ''])('may not say that it is written in %j', async (charset) => {
    const headers = { 'content-type': `application/json; a=b; charset=${charset}` };
    await expect(read('{}', { headers })).rejects.toEqual(code('unsupported_media_type', /in UTF-8/));
  });
});
