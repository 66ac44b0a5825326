import fc from 'fast-check';
import { expect, it } from 'vitest';
import { parseJson, showJson } from '../src/index.js';

it('writes what it read as it was, however large a whole number is', () => {
  const text =
    '{"seed":18446744073709551615,"low":-9223372036854775808,"odd":"\\"1\\"","list":[1,2.5,null,true],"é":"\\n"}';
  expect(showJson(parseJson(text))).toBe(text);
});

it('writes what has no such numbers as JSON.stringify does', () => {
  fc.assert(
    fc.property(fc.jsonValue(), (value) => {
      expect(showJson(value)).toBe(JSON.stringify(value));
      expect(showJson({ value, big: 2n ** 60n })).toBe(`{"value":${JSON.stringify(value)},"big":1152921504606846976}`);
    }),
  );
});
