import fc, { type Arbitrary } from 'fast-check';
import type { FuzzTargets } from './targets.js';
import { fieldName, nasty } from './values.js';

/** The fields of a job request, a few of them corrupted. */
function fields({ frames }: FuzzTargets): Arbitrary<object> {
  const good = fc.constantFrom<object>(
    { prompt: 'a lighthouse' },
    { prompt: 'a lighthouse', lod: 'final', seed: 1 },
    { prompt: 'x', source: frames[0] },
    { lod: 'final' },
  );
  return fc.tuple(good, fc.array(fc.tuple(fieldName, nasty), { maxLength: 3 })).map(([base, spoiled]) =>
    // fromEntries, because assigning __proto__ would call its setter
    Object.fromEntries([...Object.entries(base), ...spoiled]),
  );
}

const DEEP = 20_000;
const RAW_BODIES = [
  ...[
    '',
    ' ',
    '{',
    '}',
    '[',
    'null',
    '0',
    '""',
    '{"prompt":"x"',
    '{"prompt":"x"}}',
    "{'prompt':1}",
    '{"prompt":1e999}',
  ],
  ...[
    '{"prompt":"\\ud800"}',
    '{"prompt":"\\u0000"}',
    '{"prompt":"a","prompt":1}',
    '{"seed":18446744073709551615,"prompt":"x"}',
  ],
  ...[
    '{"prompt":"x","width":1e400}',
    '{"__proto__":{"prompt":"x"}}',
    '{"prompt":"x","__proto__":1}',
    '\ufeff{"prompt":"x"}',
  ],
  ...['[['.repeat(DEEP), `${'['.repeat(DEEP)}${']'.repeat(DEEP)}`, `${'{"a":'.repeat(DEEP)}1${'}'.repeat(DEEP)}`],
  ...[
    `{"jobs":[${'{},'.repeat(2000)}{}]}`,
    '{"jobs":{"length":3}}',
    '{"jobs":[[],null,1,"x",{"kind":"x"}]}',
    `{"prompt":"${'x'.repeat(200_000)}"}`,
  ],
  ...[
    `{"prompt":"x","metadata":${'{"a":'.repeat(DEEP)}1${'}'.repeat(DEEP)}}`,
    `{"prompt":"x","metadata":${'[['.repeat(DEEP)}`,
  ],
].map((text) => Buffer.from(text));

/** A body that is declared as JSON. */
export function jsonBody(targets: FuzzTargets): Arbitrary<Buffer> {
  const ofFields = fields(targets);
  return fc.oneof(
    { weight: 8, arbitrary: ofFields.map(toJson) },
    { weight: 2, arbitrary: fc.array(fc.oneof(ofFields, nasty), { maxLength: 4 }).map((jobs) => toJson({ jobs })) },
    { weight: 2, arbitrary: nasty.map(toJson) },
    { weight: 2, arbitrary: fc.constantFrom(...RAW_BODIES) },
    { weight: 1, arbitrary: fc.uint8Array({ maxLength: 200 }).map((bytes) => Buffer.from(bytes)) },
    {
      weight: 1, // broken off, or with a bit turned over
      arbitrary: fc.tuple(ofFields.map(toJson), fc.nat(), fc.boolean()).map(([whole, at, isCut]) => {
        if (whole.length === 0) return whole;
        const index = at % whole.length;
        if (isCut) return whole.subarray(0, index);
        const spoiled = Buffer.from(whole);
        spoiled[index] = (spoiled[index] ?? 0) ^ 0x80;
        return spoiled;
      }),
    },
  );
}

function toJson(value: unknown): Buffer {
  return Buffer.from(JSON.stringify(value) ?? '');
}
