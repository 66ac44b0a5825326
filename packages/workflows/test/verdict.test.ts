import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import {
  type Catalogue,
  Float,
  graphFaults,
  type NodeErrors,
  parseJson,
  type ServerTraits,
  type Verdict,
  verdictOf,
} from '../src/index.js';

/** The answer of ComfyUI 0.33, and of 0.3.64 if it is the same. `changes` apply to `base`; null removes a node. */
interface Recorded {
  readonly name: string;
  readonly changes?: Readonly<Record<string, unknown>>;
  readonly prompt?: Readonly<Record<string, unknown>>;
  readonly targets?: readonly string[];
  readonly error: unknown;
  readonly node_errors: NodeErrors;
}

const fixture = new URL('./fixtures/verdicts.json', import.meta.url);
const { catalogue, base, cases } = parseJson(readFileSync(fixture, 'utf8')) as {
  catalogue: Catalogue;
  base: Record<string, unknown>;
  cases: Recorded[];
};

function promptOf({ prompt, changes }: Pick<Recorded, 'prompt' | 'changes'>): Record<string, unknown> {
  const all = Object.entries({ ...base, ...changes }).filter(([, node]) => node !== null);
  return prompt ?? Object.fromEntries(all);
}

/** ComfyUI orders the errors of a node arbitrarily. */
function sorted(errors: NodeErrors) {
  return Object.fromEntries(
    Object.entries(errors).map(([id, node]) => [
      id,
      { ...node, errors: [...node.errors].sort((a, b) => a.details.localeCompare(b.details)) },
    ]),
  );
}

const errorOf = (verdict: Verdict) => ('error' in verdict ? verdict.error : null);

it.each(cases)('says what ComfyUI answered: $name', (one) => {
  const hasFile = (name: string) => !/not-there|passwd/.test(name);
  const verdict = verdictOf(promptOf(one), catalogue, { targets: one.targets ?? undefined, hasFile });
  expect(errorOf(verdict)).toEqual(one.error);
  expect(sorted(verdict.node_errors)).toEqual(sorted(one.node_errors));
});

const image = { class_type: 'EmptyImage', inputs: { width: 64, height: 64, batch_size: 1, color: 0 } };
const save = (from: string) => ({ class_type: 'SaveImage', inputs: { images: [from, 0], filename_prefix: 'x' } });
const invert = (from: string) => ({ class_type: 'ImageInvert', inputs: { image: [from, 0] } });

describe('verdictOf', () => {
  it('runs the valid outputs, and reports what the others lack', () => {
    const wrong = { ...image, inputs: { ...image.inputs, width: 0 } };
    const prompt = { 1: image, 2: wrong, 3: save('1'), 4: invert('2'), 5: save('4'), 6: save('1') };
    const verdict = verdictOf(prompt, catalogue);
    expect(verdict).toMatchObject({ ok: ['3', '6'], node_errors: { 2: { dependent_outputs: ['5'] } } });
    expect(Object.keys(verdict.node_errors)).toEqual(['2']);
    expect(verdictOf(prompt, catalogue, { targets: ['3'] })).toEqual({ ok: ['3'], node_errors: {} });
  });

  it.each([
    ['nothing', undefined, 'no_prompt'],
    ['a list', [], 'invalid_prompt'],
    ['a text', 'x', 'invalid_prompt'],
    ['a node that is none', { 1: null }, 'invalid_prompt'],
    ['inputs that are a list', { 1: { class_type: 'SaveImage', inputs: [] } }, 'invalid_prompt'],
    ['a class that is a list', { 1: { class_type: ['SaveImage'], inputs: {} } }, 'missing_node_type'],
    ['an id as long as a book', { ['1'.repeat(5000)]: image }, 'invalid_prompt'],
  ])('refuses %s with a word, where ComfyUI may have none', (_what, prompt, type) => {
    const verdict = verdictOf(prompt, catalogue);
    expect(errorOf(verdict)).toMatchObject({ type, extra_info: expect.anything() });
    expect(JSON.stringify(verdict).length).toBeLessThan(1000);
  });

  it('validates graphs that are deeper than any stack', () => {
    const chain = Object.fromEntries(Array.from({ length: 50_000 }, (_, n) => [`${n + 2}`, invert(`${n + 1}`)]));
    const ok = ['last'];
    expect(verdictOf({ ...chain, 1: image, last: save('50001') }, catalogue)).toEqual({ ok, node_errors: {} });
    const verdict = verdictOf({ ...chain, 1: { ...image, inputs: {} }, last: save('50001') }, catalogue);
    expect(errorOf(verdict)?.type).toBe('prompt_outputs_failed_validation');
  });

  it('does not check files unless it knows which exist', () => {
    const prompt = { 1: { class_type: 'LoadImage', inputs: { image: 'mine.png' } }, 2: save('1') };
    expect(verdictOf(prompt, catalogue)).toMatchObject({ ok: ['2'] });
    expect(verdictOf(prompt, catalogue, { hasFile: () => false }).node_errors['1']?.errors[0]).toEqual({
      type: 'custom_validation_failed',
      message: 'Custom validation failed for node',
      details: 'image - Invalid image file: mine.png',
      extra_info: { input_name: 'image' },
    });
  });
});

describe('what custom nodes do', () => {
  const custom = (input: unknown, output: unknown = []) => ({ input: { required: { it: input } }, output });
  const more: Catalogue = {
    ...catalogue,
    Many: { input: {}, output: ['INT', '*'] },
    Union: custom(['IMAGE,MASK', {}]),
    Any: custom(['*', {}]),
    Choice: custom([['a', 'b'], {}]),
    Several: custom(['COMBO', { options: ['a', 'b'], multiselect: true }]),
    Scripted: custom([[], {}]),
    CustomCombo: { input: { required: { choice: ['COMBO', { options: [] }] } }, output: ['COMBO'] },
  };
  const typesOf = (class_type: string, it: unknown) =>
    graphFaults(
      { 1: { class_type, inputs: { it } }, 2: { class_type: 'Many', inputs: {} }, 3: image },
      ['1'],
      more,
    ).map(({ type }) => type);

  it.each([
    ['an output beyond a list that ends in any', 'Union', ['2', 7]],
    ['one of several types', 'Union', ['3', 0]],
    ['anything where all is taken', 'Any', ['3', 0]],
    ['options wrapped as the editor does', 'Several', { __value__: ['b', 'a'] }],
    ['an option of a list that a script fills', 'Scripted', 'mine'],
  ])('is taken: %s', (_what, className, value) => {
    expect(typesOf(className, value)).toEqual([]);
  });

  it.each([
    ['another type', 'Union', ['2', 0], 'return_type_mismatch'],
    ['a picture for a choice', 'Choice', ['3', 0], 'return_type_mismatch'],
    ['options as a plain list', 'Several', ['a', 'b', 'a'], 'bad_linked_input'],
    ['an option that there is not', 'Several', { __value__: ['b', 'c'] }, 'value_not_in_list'],
    ['a model where there is none', 'Scripted', 'none.safetensors', 'value_not_in_list'],
    ['an output that there is not', 'Union', ['3', 1], 'exception_during_validation'],
  ])('is refused: %s', (_what, className, value, type) => {
    expect(typesOf(className, value)).toEqual([type]);
  });

  it('is not checked: the options that a graph provides itself', () => {
    const graph = { 1: { class_type: 'CustomCombo', inputs: { choice: 'my own' } } };
    expect(graphFaults(graph, ['1'], more)).toEqual([]);
  });
});

it('answers briefly to a graph with many long cycles, and runs none of it', () => {
  const count = 480;
  const batch = (n: number) => {
    const back = Array.from({ length: 27 }, (_, k) => [`images.image${k + 1}`, [String(7 * (k + 1)), 0]]);
    const next = ['images.image0', [String((n + 1) % count), 0]];
    return { class_type: 'BatchImagesNode', inputs: Object.fromEntries([next, ...back]) };
  };
  const described = { BatchImagesNode: { input: {}, output: ['IMAGE'] }, ...catalogue };
  const nodes = Object.fromEntries(Array.from({ length: count }, (_, n) => [String(n), batch(n)]));
  const verdict = verdictOf({ ...nodes, save: save('0') }, described);
  expect(verdict).toMatchObject({ error: { type: 'prompt_outputs_failed_validation' } });
  expect(JSON.stringify(verdict).length).toBeLessThan(300_000);
});

describe.each(['0.3.64', '0.33.0'] as const)('verdictOf exactly as ComfyUI %s', (version) => {
  const stored: unknown[] = [];
  const server: ServerTraits = {
    version,
    fileKindOf: () => undefined,
    store: (...one) => stored.push(one),
    traceback: (place, isInner) => [`${place} ${isInner}`],
    crash: (reason) => {
      throw new Error(reason);
    },
  };
  const all: Catalogue = { ...catalogue, Scripted: { input: { required: { it: [[], {}] } }, output_node: true } };
  const judge = (prompt: unknown) => verdictOf(prompt, all, { server });

  it('stores converted values, distinguishes floats from integers, and validates the last output first', () => {
    const sampler = { ...(base['5'] as { inputs: object }).inputs, steps: '20', cfg: 7 };
    const prompt = promptOf({ changes: { 5: { class_type: 'KSampler', inputs: sampler }, 8: save('6') } });
    expect(judge(prompt)).toEqual({ ok: ['8', '7'], node_errors: {} });
    expect(stored).toEqual(
      expect.arrayContaining([
        ['5', 'steps', 20],
        ['5', 'cfg', new Float(7)],
      ]),
    );
  });

  it('follows no link that the class does not describe, and compares with an empty list of options', () => {
    const inputs = { images: ['1', 0], filename_prefix: 'x', not_described: ['1', 9] };
    expect(judge({ 1: image, 2: { class_type: 'SaveImage', inputs } })).toMatchObject({ ok: ['2'] });
    expect(judge({ 1: { class_type: 'Scripted', inputs: { it: 'mine' } } })).toMatchObject({
      node_errors: { 1: { errors: [{ type: 'value_not_in_list' }] } },
    });
  });

  it('fails where ComfyUI fails', () => {
    expect(() => judge([])).toThrow('The prompt is no object of nodes.');
    expect(() => judge({ 1: { class_type: ['SaveImage'], inputs: {} } })).toThrow('class_type cannot be looked up');
  });

  it('returns tracebacks, and a reason for a cycle only since 0.33', () => {
    const link = { 1: { class_type: 'ImageInvert', inputs: { image: ['9', 0] } }, 2: save('1') };
    expect(judge(link).node_errors['1']?.errors[0]?.extra_info.traceback).toEqual(['class true']);
    const cycle = judge({ 1: { class_type: 'ImageInvert', inputs: { image: ['1', 0] } }, 2: save('1') });
    expect(errorOf(cycle)?.type).toBe('prompt_outputs_failed_validation');
    expect(Object.keys(cycle.node_errors)).toEqual(version === '0.3.64' ? [] : ['1']);
  });
});
