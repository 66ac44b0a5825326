import { FleetError } from '@comfy-fleet/contracts';
import { parseJson } from '@comfy-fleet/workflows';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseJsonBody } from '../src/server/json-body.js';

const LIMITS = { depth: 8, values: 1000, names: 100, nameBytes: 100 };
const ROOMY = { depth: 1000, values: 1_000_000, names: 1_000_000, nameBytes: 10_000 };

/** Makes a body long enough to be parsed in steps, without changing its content. */
const long = (text: string) => text + ' '.repeat(300_000);
const forms = [
  ['at once', (text: string) => text],
  ['in steps', long],
] as const;

const read = (body: Buffer | string, limits = LIMITS) => parseJsonBody(Buffer.from(body), { limits });
const code = (expected: string, detail: RegExp | string = '') =>
  expect.objectContaining({ code: expected, detail: expect.stringMatching(detail) });

describe.each(forms)('a JSON body that is parsed %s', (_how, form) => {
  it('has the same value as any other JSON of callers', async () => {
    await fc.assert(
      fc.asyncProperty(fc.jsonValue(), async (value) => {
        const text = JSON.stringify(value);
        expect(await read(form(text), ROOMY)).toEqual(parseJson(text));
      }),
      { numRuns: form === long ? 25 : 100 },
    );
  });

  it.each(['18446744073709551615', '[9007199254740993, 1.5, -0, 1e400, 7]', '{"a":-9007199254740993}'])(
    'has exact numbers: %s',
    async (text) => {
      expect(await read(form(text))).toEqual(parseJson(text));
    },
  );

  it('is counted by what its values take in memory, not by its text', async () => {
    const count = 10_000;
    const text = `[${'{},'.repeat(count)}0]`;
    const taken = async (body: string) => {
      let sum = 0;
      await parseJsonBody(Buffer.from(form(body)), { limits: ROOMY, holds: (bytes) => (sum += bytes) });
      return sum;
    };
    expect(await taken(text)).toBeGreaterThan(48 * count);
    expect(await taken(JSON.stringify(text))).toBeLessThan(200);
    const named = Array.from({ length: 100 }, (_, n) => ({ [`n${n}`]: {} }));
    expect(await taken(JSON.stringify(named))).toBeGreaterThan(300 * named.length);
  });

  it('is refused as soon as it takes too much memory', async () => {
    const holds = () => {
      throw new FleetError('overloaded', 'no memory');
    };
    const body = Buffer.from(form('[{}]'));
    await expect(parseJsonBody(body, { limits: ROOMY, holds })).rejects.toMatchObject({ code: 'overloaded' });
  });

  it('may begin with a byte order mark, may be nested and may have a field named __proto__', async () => {
    expect(await read(form('\ufeff{"a":1}'))).toEqual({ a: 1 });
    const value = (await read(form('{"__proto__":{"x":1},"a":{"b":[[]]}}'))) as object;
    expect(Object.keys(value)).toEqual(['__proto__', 'a']);
    expect(Object.getPrototypeOf(value)).toBe(Object.prototype);
  });

  it.each<[string, string | Buffer, ReturnType<typeof code>]>([
    ['too deep', `${'['.repeat(20)}${']'.repeat(20)}`, code('body_too_large', /8 deep/)],
    ['of too many values', `[${'1,'.repeat(1000)}1]`, code('body_too_large', /1000 values/)],
    [
      'of too many names',
      JSON.stringify(Object.fromEntries(Array.from({ length: 101 }, (_, n) => [`n${n}`, n]))),
      code('body_too_large', /100 different names/),
    ],
    ['of too long a name', `{"${'x'.repeat(101)}":1}`, code('body_too_large', /100 bytes/)],
    ['with too long a number', `[${'1'.repeat(65)}]`, code('malformed_json', /64 are the most/)],
    ['no JSON', '{"a":', code('malformed_json', /not valid JSON/)],
    ['more than one value', '{} {}', code('malformed_json', /not valid JSON/)],
    ['no UTF-8', Buffer.from('{"a":"\xff"}', 'latin1'), code('malformed_json')],
  ])('is refused when it is %s', async (_, body, error) => {
    const sent = Buffer.concat([Buffer.from(body), Buffer.from(form(''))]);
    await expect(read(sent)).rejects.toEqual(error);
  });
});

it('lets other work run while a large body is parsed', async () => {
  let turns = 0;
  let isDone = false;
  const other = () => {
    turns += 1;
    if (!isDone) setImmediate(other);
  };
  setImmediate(other);
  await read(JSON.stringify({ image: 'A'.repeat(4_000_000) }), ROOMY);
  isDone = true;
  expect(turns).toBeGreaterThan(100);
});
