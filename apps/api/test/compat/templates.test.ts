import { parseJson } from '@comfy-fleet/workflows';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { placesIn } from '../../src/compat/comfyui/prompts/json-places.js';
import { createTemplates, type Template } from '../../src/compat/comfyui/prompts/templates.js';

const everywhere = () => true;

/** Templates of all texts that were parsed and are like none before. */
function learning(isOpen: (path: readonly string[]) => boolean = everywhere) {
  const templates = createTemplates();
  return (text: string) => {
    const parsed = templates.parse(text);
    const template = parsed.template ?? templates.learn(text, parsed.value, isOpen);
    return { ...parsed, isLike: parsed.template !== undefined, template };
  };
}

/** What comes of a text: its value, or that there is none. */
function outcome(parse: (text: string) => unknown, text: string): unknown {
  try {
    return { value: parse(text) };
  } catch (error) {
    return { refused: (error as Error).constructor.name };
  }
}

const prompt = (seed: string, text = '"a fox"') => `{"prompt": {"5": {"inputs": {"seed": ${seed}, "text":${text}}}}}\n`;

it('parses of texts that are alike what is different', () => {
  const parse = learning();
  const first = parse(prompt('7'));
  expect(first).toMatchObject({ isLike: false, changed: [] });
  expect(first.template?.paths).toEqual(['seed', 'text'].map((name) => ['prompt', '5', 'inputs', name]));
  const others = [
    ['7', '"a fox"', []],
    ['18446744073709551615', '"a fox"', [0]],
    ['-0.5e3', '"a \\"fox\\", \\\\"', [0, 1]],
    ['7', '"\\u00e9é\\n"', [1]],
    ['"x"', '12', [0, 1]],
    ['8', '""', [0, 1]],
  ] as const;
  for (const [seed, text, changed] of others) {
    const parsed = parse(prompt(seed, text));
    expect(parsed).toMatchObject({ isLike: true, changed, template: first.template });
    expect(parsed.value).toEqual(parseJson(prompt(seed, text)));
  }
});

it('leaves alone what it answered before', () => {
  const parse = learning();
  const texts = ['1', '2', '3'].map((seed) => prompt(seed, `"${seed}"`));
  const parsed = texts.map(parse);
  const shown = parsed.map(({ value }) => JSON.stringify(value));
  for (const text of texts.toReversed()) parse(text);
  expect(parsed.map(({ value }) => JSON.stringify(value))).toEqual(shown);
});

it('has a text that differs elsewhere like none', () => {
  const parse = learning((path) => path.at(-1) === 'seed');
  parse(prompt('1'));
  expect(parse(prompt('2')).isLike).toBe(true);
  for (const text of [prompt('1', '"a bear"'), prompt('1').trim(), prompt('[1]'), prompt('true')]) {
    expect(parse(text)).toMatchObject({ isLike: false, value: parseJson(text) });
  }
});

it('knows the texts that came last', () => {
  const parse = learning();
  const other = (n: number) => `{"${n}": 1}`;
  const first = parse(prompt('1')).template;
  for (let n = 0; n < 63; n++) parse(other(n));
  expect(parse(prompt('2')).template).toBe(first);
  for (let n = 63; n < 126; n++) parse(other(n));
  expect(parse(prompt('3')).template).toBe(first);
  for (let n = 126; n < 190; n++) parse(other(n));
  expect(parse(prompt('4')).isLike).toBe(false);
});

it.each([
  ['a name that comes twice', '{"a": 1, "a": 2}'],
  ['a value in what another of its name replaces', '{"a": {"b": 1}, "a": {"c": 2}}'],
  ['a value that is a list in what replaces it', '{"a": {"b": 1}, "a": {"b": [1]}}'],
  ['more places than are looked at', JSON.stringify(Array.from({ length: 257 }, (_, n) => n))],
  ['a place 65 deep', `${'['.repeat(65)}1${']'.repeat(65)}`],
])('makes no template of a text with %s', (_, text) => {
  const parse = learning();
  expect(parse(text).template).toBeUndefined();
  expect(parse(text).value).toEqual(parseJson(text));
});

it('compares no text of more than 65536 characters', () => {
  const parse = learning();
  const text = (length: number) => JSON.stringify({ a: 'x'.repeat(length - '{"a":""}'.length) });
  parse(text(100));
  expect([parse(text(65536)).isLike, parse(text(65537)).isLike]).toEqual([true, false]);
});

it('has nothing different under __proto__', () => {
  const parse = learning();
  const text = (number: number) => `{"__proto__": {"a": ${number}}, "b": ${number}}`;
  expect(parse(text(1)).template?.paths).toEqual([['b']]);
  expect(parse(text(2))).toMatchObject({ isLike: false });
  expect(JSON.stringify(parse(text(2)).value)).toBe(JSON.stringify(parseJson(text(2))));
});

it.each([
  ['a zero before a number', prompt('012')],
  ['a number that is not whole', prompt('1.')],
  ['a line break in a string', prompt('1', '"a\nb"')],
  ['an escape that is none', prompt('1', '"\\x"')],
  ['a string without an end', prompt('1', '"a')],
  ['more behind its end', `${prompt('1')}1`],
])('refuses a text with %s, as if no other had come', (_, text) => {
  const parse = learning();
  parse(prompt('1'));
  expect(outcome(parse, text)).toEqual({ refused: 'FileFault' });
});

it('finds the strings and numbers of any JSON where they stand', () => {
  const indented = fc.tuple(fc.jsonValue(), fc.constantFrom(undefined, 1, '\t'));
  fc.assert(
    fc.property(indented, ([value, indent]) => {
      const text = JSON.stringify(value, null, indent);
      const found = placesIn(text, everywhere)?.map(({ path, start, end }) => [
        path,
        JSON.parse(text.slice(start, end)),
      ]);
      expect(found).toEqual(scalarsOf(JSON.parse(text) as unknown));
    }),
    { numRuns: 300 },
  );
});

function scalarsOf(value: unknown, path: readonly string[] = []): unknown[] {
  if (typeof value === 'string' || typeof value === 'number') return [[path, value]];
  if (typeof value !== 'object' || value === null) return [];
  return Object.entries(value).flatMap(([name, part]) => scalarsOf(part, [...path, name]));
}

/** JSON with # for what differs. */
const value = fc.constantFrom(
  ...[
    '#',
    '{"b": #}',
    '{"__proto__":#}',
    '[#,#]',
    '[ # , {"a":#} ]',
    '#.5',
    '-#',
    '"#"',
    '"\\u0000"',
    'null',
    '{}',
    '[]',
  ],
);
const field = fc.tuple(fc.constantFrom('a', 'b', '0', '#'), fc.constantFrom('', ' ', '\n'), value);
const object = fc.array(field, { maxLength: 4 }).map((fields) => {
  return `{${fields.map(([name, space, of]) => `"${name}":${space}${of}`).join(`,${fields[0]?.[1] ?? ''}`)}}`;
});
/** What is hardly ever JSON. */
const pieces = fc
  .array(fc.constantFrom('{"a":', '[', ',', ', ', ']', '}', '"', ':', '#', '-', '\0', '0', '\\'), { maxLength: 8 })
  .map((some) => some.join(''));
const scalar = fc.constantFrom(
  ...['1', '2', '0', '-1', '1.5', '1e2', '18446744073709551615', '9007199254740993', '01', '1.', 'true', 'null', '[1]'],
  ...[
    '"x"',
    '""',
    '"1"',
    '"\\""',
    '"\\\\"',
    '"\\\\\\""',
    '"é"',
    '"\\u00e9"',
    '"a\nb"',
    '"\\x"',
    '"',
    '\\',
    '{"b":1}',
    '',
  ],
);
/** Texts that differ in what stands for #. */
const likeTexts = fc
  .tuple(
    fc.oneof({ weight: 4, arbitrary: object }, pieces),
    fc.array(fc.array(scalar, { minLength: 8, maxLength: 8 }), { minLength: 2, maxLength: 5 }),
  )
  .map(([text, lists]) => lists.map((list) => [...list].reduce((left, one) => left.replace('#', () => one), text)));
const openness = fc.constantFrom(
  everywhere,
  (path: readonly string[]) => path.length === 1,
  (path: readonly string[]) => path.at(-1) === 'b',
);

it('makes of any texts, in any order, what parseJson makes of them', () => {
  const used = new Set<Template>();
  fc.assert(
    fc.property(fc.array(likeTexts, { minLength: 1, maxLength: 3 }), openness, (groups, isOpen) => {
      const parse = learning(isOpen);
      const texts = groups.flat();
      for (const text of [...texts, ...texts.toReversed()]) {
        const made = outcome((one) => {
          const { value: of, isLike, template } = parse(one);
          if (isLike && template !== undefined) used.add(template);
          return of;
        }, text);
        expect(made).toEqual(outcome(parseJson, text));
      }
    }),
    { numRuns: 500 },
  );
  expect(used.size).toBeGreaterThan(0);
});
