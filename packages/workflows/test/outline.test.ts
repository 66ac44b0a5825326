import { readFileSync } from 'node:fs';
import { isDeepStrictEqual } from 'node:util';
import type { Abilities, ResolvedRequest } from '@comfy-fleet/contracts';
import fc from 'fast-check';
import { beforeEach, describe, expect, it } from 'vitest';
import { nodeAt } from '../src/graph.js';
import {
  type Catalogue,
  choicesOf,
  createOutliner,
  findLacks,
  type Graph,
  modelsOf,
  neededOf,
  type OpenedGraph,
  openerLike,
  openGraph,
  parseJson,
  verdictOf,
} from '../src/index.js';
import type { Outliner } from '../src/verdict/outline.js';

const fixture = new URL('./fixtures/verdicts.json', import.meta.url);
const { catalogue, base } = parseJson(readFileSync(fixture, 'utf8')) as { catalogue: Catalogue; base: Graph };
/** Of classes with inputs that depend on values, and of files. */
const more: Graph = {
  90: { class_type: 'Loaded', inputs: { file: 'a.png', note: 'x', weight: 1 } },
  91: { class_type: 'Branching', inputs: { image: ['90', 0], mode: 'a', 'mode.size': 3 } },
  92: {
    class_type: 'SaveImage',
    inputs: { images: ['91', 0], filename_prefix: 'y' },
    _meta: { title: 'output:other' },
  },
};
const described: Catalogue = {
  ...catalogue,
  Loaded: {
    input: {
      required: { file: [['a.png'], { image_upload: true }], note: ['STRING', {}] },
      optional: { weight: ['FLOAT', { min: 0, max: 2 }] },
    },
    output: ['IMAGE'],
  },
  Branching: {
    input: {
      required: {
        image: ['IMAGE'],
        mode: [
          'COMFY_DYNAMICCOMBO_V3',
          { options: [{ key: 'a', inputs: { required: { size: ['INT', { max: 5 }] } } }] },
        ],
      },
      // Of the same name as what one choice brings: it alone would take more.
      optional: { 'mode.size': ['INT', { max: 9 }] },
    },
    output: ['IMAGE'],
  },
};
const whole: Graph = { ...base, ...more };
/** Most are such as differ among graphs that are alike. */
const slots = Object.entries(whole).flatMap(([node, { inputs }]) => {
  const names = Object.keys(inputs).filter((input) => node in more || !Array.isArray(inputs[input]));
  return names.map((input) => ({ node, input }));
});

const value = fc.oneof(
  fc.integer({ min: -2, max: 70 }),
  fc.constantFrom(0.5, -0, 1e300, Number.POSITIVE_INFINITY, 2n ** 53n, 2n ** 64n, 8, 20, 512),
  fc.constantFrom('', '7', 'x', 'a.png', 'b.mp4', 'c.safetensors', 'a fox'),
  fc.constantFrom<unknown>(true, null, ['90', 0], ['90', 1], [], { __value__: [1] }, { __value__: [1n] }),
);
const changes = fc.array(fc.tuple(fc.constantFrom(...slots), value), { maxLength: 2 });
type Changes = readonly (readonly [slot: (typeof slots)[number], value: unknown])[];

function changed(graph: Graph, what: Changes): Graph {
  const copy = structuredClone(graph);
  for (const [{ node, input }, given] of what) nodeAt(copy, node).inputs[input] = given;
  return copy;
}

function opened(graph: Graph): OpenedGraph | undefined {
  const verdict = verdictOf(graph, described);
  if ('error' in verdict || Object.keys(verdict.node_errors).length > 0) return undefined;
  return openGraph(neededOf(graph, verdict.ok), { catalogue: described, outputs: verdict.ok, maxNodes: 100 });
}

/** All of it that can be compared. */
function shown({ workflow, ...rest }: OpenedGraph) {
  const places = slots.map((slot) => workflow.inputAt(slot));
  const seen = { inputAt: places, describe: workflow.describe(described), like: undefined };
  return { ...rest, workflow: { ...workflow, ...seen } };
}

const able: Abilities = Object.fromEntries(
  Object.entries(described).map(([name, description]) => [name, choicesOf(name, description)]),
);
const { Branching: _, ...others } = able;
/** Of an instance as the catalogue has it, of one without a class, and of one that has choices where others take any text. */
const instances: Abilities[] = [able, others, { ...able, Loaded: { note: ['x'], ...able.Loaded } }];

/** What instances lack for it, and the models that it names. */
function needs({ workflow, shape }: OpenedGraph) {
  const { name, version } = workflow;
  const request: ResolvedRequest = {
    workflow: name,
    version,
    lod: 'mid',
    inputs: {},
    shape,
    priority: 0,
    metadata: {},
  };
  return [instances.map((one) => findLacks(workflow, request, one)), modelsOf(workflow, request)];
}

describe('createOutliner', () => {
  let outlineOf: Outliner;
  const textOf = (graph: unknown, known = described) => outlineOf(graph, known)?.text;
  beforeEach(() => {
    outlineOf = createOutliner();
  });

  it('has graphs of one outline judged alike, and opened alike', () => {
    let alike = 0;
    fc.assert(
      fc.property(changes, changes, (first, then) => {
        const one = changed(whole, first);
        const other = changed(one, then);
        const outline = outlineOf(one, described);
        if (outline === undefined || outline.text !== textOf(other)) return;
        const before = opened(one);
        const verdict = verdictOf(other, described);
        if (before === undefined || 'error' in verdict) {
          expect(opened(other)).toBeUndefined();
          return;
        }
        expect(verdict).toEqual(verdictOf(one, described));
        const open = openerLike(before, outline.open);
        const again = open(neededOf(other, verdict.ok));
        const fresh = opened(other);
        expect(fresh && shown(again)).toEqual(fresh && shown(fresh));
        expect(needs(open(neededOf(one, verdict.ok)))).toEqual(needs(before));
        expect(needs(again)).toEqual(fresh && needs(fresh));
        if (!isDeepStrictEqual(one, other)) alike += 1;
      }),
      { numRuns: 400 },
    );
    expect(alike).toBeGreaterThan(0);
  });

  it('has each graph looked at by itself for an instance that has choices where graphs of one outline differ', () => {
    const { open = [] } = outlineOf(whole, described) ?? {};
    const openLike = openerLike(opened(whole) as OpenedGraph, open);
    for (const note of ['x', 'y', 'x']) {
      const other = changed(whole, [[{ node: '90', input: 'note' }, note]]);
      expect(needs(openLike(other))).toEqual(needs(opened(other) as OpenedGraph));
    }
  });

  it('has one for graphs that differ in texts and seeds', () => {
    const differing = fc.record({ note: fc.string(), weight: fc.double({ min: 0, max: 2, noNaN: true }) });
    fc.assert(
      fc.property(differing, ({ note, weight }) => {
        fc.pre(!note.includes('.'));
        const other = changed(whole, [
          [{ node: '90', input: 'note' }, note],
          [{ node: '90', input: 'weight' }, weight],
        ]);
        expect(textOf(other)).toBe(textOf(whole));
      }),
    );
  });

  it.each([
    ['a value that is too large', '90', 'weight', 3],
    ['a value of another kind', '90', 'weight', null],
    ['another choice', '91', 'mode', 'b'],
    ['another value behind a choice', '91', 'mode.size', 4],
    ['what only the input behind a choice refuses', '91', 'mode.size', 7],
    ['another file', '90', 'file', 'b.png'],
    ['what may be a file', '90', 'note', 'c.safetensors'],
    ['another link', '92', 'images', ['90', 0]],
    ['an input that its class does not have', '92', 'other', 1],
  ])('has another for %s', (_what, node, input, given) => {
    const other = changed(whole, [[{ node, input }, given]]);
    expect(textOf(other)).not.toBe(textOf(whole));
  });

  it('has another for other nodes, other titles, what else stands in a node, and another order', () => {
    const { 92: save, ...rest } = whole;
    const titled = { ...whole, 92: { ...save, _meta: { title: 'output:this' } } };
    const reversed = {
      ...rest,
      92: { ...save, inputs: Object.fromEntries(Object.entries(save?.inputs ?? {}).reverse()) },
    };
    const marked = { ...whole, 92: { ...save, is_changed: 1 } };
    const outlines = [whole, rest, titled, marked, reversed].map((graph) => textOf(graph));
    expect(new Set(outlines).size).toBe(5);
  });

  it('has another once a class is described in other words', () => {
    const other = { ...described, Loaded: structuredClone(described.Loaded) };
    expect(textOf(whole, other)).not.toBe(textOf(whole));
    expect(textOf(whole, { ...described })).toBe(textOf(whole));
  });

  it.each([
    ['no graph', []],
    ['a node that is none', { 1: 'x' }],
    ['a node without inputs', { 1: { class_type: 'SaveImage' } }],
    ['a class that nobody describes', { 1: { class_type: 'Unheard', inputs: {} } }],
  ])('has none for %s', (_what, graph) => {
    expect(outlineOf(graph, described)).toBeUndefined();
  });
});
