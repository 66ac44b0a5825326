import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type JsonLimits, JsonScan } from '../src/http/json-scan.js';

const ROOMY: JsonLimits = { depth: 1000, values: 1_000_000, names: 1_000_000, nameBytes: 10_000 };

interface Scanned {
  readonly fault: string | undefined;
  /** What is left for JSON.parse. */
  readonly text: string;
  /** The string that was set apart last. */
  readonly apart: string | undefined;
  /** Bytes that were looked at before it said that there is too much. */
  readonly looked: number;
}

interface Scanning {
  readonly limits?: JsonLimits;
  readonly apart?: string;
  /** Bytes of each piece. */
  readonly size?: number;
}

/** Scans a text in pieces, once without knowing how long it is, and once knowing it, which must find the same. */
function scan(text: string, options: Scanning): Scanned {
  const found = scanned(text, options);
  expect(scanned(text, { ...options, isTold: true })).toEqual(found);
  return found;
}

function scanned(text: string, { limits = ROOMY, apart, size = 7, isTold = false }: Scanning & { isTold?: boolean }) {
  const kept: Buffer[] = [];
  let set: Buffer[] | undefined;
  const parts = {
    text: (bytes: Uint8Array) => kept.push(Buffer.from(bytes)),
    begin: () => {
      set = [];
    },
    apart: (bytes: Uint8Array) => set?.push(Buffer.from(bytes)),
  };
  const bytes = Buffer.from(text);
  const scanning = new JsonScan(limits, { parts, apart, ...(isTold ? { bytes: bytes.length } : {}) });
  let fault: string | undefined;
  let looked = 0;
  while (fault === undefined && looked < bytes.length) {
    fault = scanning.push(bytes.subarray(looked, looked + size));
    looked += size;
  }
  const found: Scanned = {
    fault,
    text: Buffer.concat(kept).toString(),
    apart: set && Buffer.concat(set).toString(),
    looked,
  };
  return found;
}

/** What is not printable comes as it is, or as a 0 where it was an escape: base64 has neither. */
const plain = (text: string) => text.replaceAll(/[^ -~]+/g, '?');

function judged(text: string): { readonly value: unknown } | 'no JSON' {
  try {
    return { value: JSON.parse(text) };
  } catch {
    return 'no JSON';
  }
}

const isObject = (value: unknown): value is Record<string, unknown> => typeof value === 'object' && value !== null;

/** Counted on the value: what the scan counts on the text. */
function measure(value: unknown): { depth: number; values: number; names: Set<string> } {
  if (!isObject(value)) return { depth: 0, values: 1, names: new Set() };
  const inside = Object.values(value).map(measure);
  const own = Array.isArray(value) ? [] : Object.keys(value).map((name) => JSON.stringify(name));
  return {
    depth: 1 + Math.max(0, ...inside.map(({ depth }) => depth)),
    values: 1 + inside.reduce((sum, { values }) => sum + values, 0),
    names: new Set([...own, ...inside.flatMap(({ names }) => [...names])]),
  };
}

/** Any of them, as fast-check's own unit 'binary', which makes a table of all of them first, in a second or two. */
const unit = fc
  .integer({ min: 0, max: 0x10ffff })
  .filter((code) => code < 0xd800 || code > 0xdfff)
  .map(
    (code) => String.fromCodePoint(code),
    (text) => (typeof text === 'string' && [...text].length === 1 ? (text.codePointAt(0) ?? -1) : -1),
  );

/** JSON, with white space and escapes as people and programs write them. */
const json = fc
  .tuple(fc.jsonValue({ maxDepth: 6, stringUnit: unit }), fc.constantFrom(0, 1, '\t'), fc.boolean())
  .map(([value, indent, isAscii]) => {
    const text = JSON.stringify(value, undefined, indent);
    const escaped = (char: string) => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`;
    return isAscii ? text.replaceAll(/[^\0-\x7f]/g, escaped) : text;
  });

/** JSON with a few characters that are wrong, missing or one too many. */
const brokenJson = fc
  .tuple(
    json,
    fc.array(fc.tuple(fc.nat(), fc.constantFrom('', '"', '\\', '{', '}', '[', ']', ',', ':', '\n', '\\u', '1'))),
  )
  .map(([text, changes]) =>
    changes.reduce((changed, [at, sign]) => {
      const place = at % (changed.length + 1);
      return changed.slice(0, place) + sign + changed.slice(place + (at % 2));
    }, text),
  );

const size = fc.integer({ min: 1, max: 40 });

describe('the scan of JSON', () => {
  it('leaves the text as it is, whatever it is and however it is cut', () => {
    fc.assert(
      fc.property(fc.oneof(json, brokenJson, fc.string({ unit })), size, (text, pieces) => {
        expect(scan(text, { size: pieces })).toMatchObject({ fault: undefined, text: Buffer.from(text).toString() });
      }),
    );
  });

  it('counts depth, values and names as they are in what JSON.parse makes of it', () => {
    fc.assert(
      fc.property(json, size, (text, pieces) => {
        const { depth, values, names } = measure(JSON.parse(text));
        const exact = { ...ROOMY, depth, values, names: names.size };
        const written = new Set([...text.matchAll(/"((?:[^"\\]|\\.)*)"\s*:/gs)].map(([, name]) => name));
        // Names may be written in two ways, which count as two.
        const limits = { ...exact, names: Math.max(names.size, written.size) };
        expect(scan(text, { limits, size: pieces }).fault).toBeUndefined();
        expect(scan(text, { limits: { ...limits, values: values - 1 }, size: pieces }).fault).toMatch(/values/);
        if (depth > 0)
          expect(scan(text, { limits: { ...limits, depth: depth - 1 }, size: pieces }).fault).toMatch(/deep/);
        if (names.size > 0)
          expect(scan(text, { limits: { ...limits, names: names.size - 1 }, size: pieces }).fault).toMatch(/names/);
      }),
    );
  });

  it('sets a string of the outermost object apart so that JSON.parse says the same of the rest', () => {
    const body = fc
      .tuple(fc.dictionary(fc.constantFrom('image', 'prompt', 'metadata'), fc.jsonValue({ maxDepth: 2 })), fc.string())
      .map(([fields, image]) => JSON.stringify({ ...fields, ...(fields.image === undefined ? {} : { image }) }));
    const broken = fc
      .tuple(
        body,
        fc.array(fc.tuple(fc.nat(), fc.constantFrom('', '"', '\\', '\\/', '\\u002', '\n', 'é', ',"image":"x"'))),
      )
      .map(([text, changes]) =>
        changes.reduce((changed, [at, sign]) => {
          const place = at % (changed.length + 1);
          return changed.slice(0, place) + sign + changed.slice(place);
        }, text),
      );
    fc.assert(
      fc.property(fc.oneof(body, broken), size, (text, pieces) => {
        const whole = judged(text);
        const found = scan(text, { apart: 'image', size: pieces });
        const rest = judged(found.text);
        const fields = whole === 'no JSON' ? undefined : whole.value;
        if (!isObject(fields) || !Object.hasOwn(fields, 'image') || typeof fields.image !== 'string') {
          expect(rest).toEqual(whole);
          return;
        }
        expect(rest).toEqual({ value: { ...fields, image: '' } });
        expect(plain(found.apart ?? '')).toBe(plain(fields.image));
      }),
      { numRuns: 300 },
    );
  });

  it.each([
    ['escapes of base64', '{"image":"a\\/b\\u002Bc\\r\\n\\u003D"}', 'a/b+c\r\n='],
    ['the last of two', '{"image":"first","image":"second"}', 'second'],
    ['nothing', '{"image":""}', ''],
  ])('undoes %s', (_, text, apart) => {
    for (const pieces of [1, 2, 3, 100]) expect(scan(text, { apart: 'image', size: pieces }).apart).toBe(apart);
  });

  it.each([
    ['an object inside', '{"a":{"image":"x"}}'],
    ['an array', '["image","x"]'],
    ['the name itself', '{"a":"image","b":"x"}'],
    ['what is no string', '{"image":["x"]}'],
  ])('sets nothing apart of %s', (_, text) => {
    expect(scan(text, { apart: 'image' })).toMatchObject({ text, apart: undefined });
  });

  const limits: JsonLimits = { depth: 8, values: 100, names: 50, nameBytes: 64 };
  const MIB = 2 ** 20;

  it.each<[string, string, RegExp]>([
    ['arrays in arrays', '['.repeat(MIB), /more than 8 deep/],
    ['objects in objects', '{"":'.repeat(MIB), /more than 8 deep/],
    ['one name', `{"${'x'.repeat(MIB)}":1}`, /more than 64 bytes/],
    ['very many values', `[${'0,'.repeat(MIB)}0]`, /more than 100 values/],
    ['very many names', `{${Array.from({ length: 10_000 }, (_, n) => `"${n}":`).join('0,')}0}`, /50 different names/],
    ['commas', ','.repeat(MIB), /x/],
  ])('finds too much in %s long before its end, or JSON.parse finds no JSON at once', (_, text, fault) => {
    const found = scan(text, { limits, size: 64 });
    if (found.fault === undefined) return expect(text.startsWith(',')).toBe(true);
    expect(found.fault).toMatch(fault);
    expect(found.looked).toBeLessThan(2000);
  });

  it('finds one name too many where names are as short as they can be, and nothing else is there', () => {
    const letters = Array.from({ length: 51 }, (_, n) => `"${String.fromCharCode('A'.charCodeAt(0) + n)}"`);
    const text = `{${letters.filter((letter) => letter !== '"\\"').join(',')}`;
    expect(scan(text, { limits }).fault).toBeUndefined();
    expect(scan(text, { limits: { ...limits, names: 49 } }).fault).toMatch(/49 different names/);
  });
});
