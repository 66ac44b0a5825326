import { expect, it } from 'vitest';
import { graphFaults, openGraph, openWorkflow, parseJson, verdictOf } from '../src/index.js';
import { aFlow, resolved, STYLE } from './generic.js';

const BIG = 10n ** 30n;
const image = { class_type: 'EmptyImage', inputs: { width: 64, height: 64, batch_size: 1, color: 1 } };
const shows = (inputs: Readonly<Record<string, unknown>>) => ({ 1: { class_type: 'PreviewAny', inputs }, 9: image });

/** Real ComfyUIs (0.3.64 and 0.33.0) executed nothing any more after the graphs with a missing node 99. */
it.each<[what: string, value: unknown, fault: string]>([
  ['a wrapped link to a missing node', { __value__: ['99', 0] }, 'contains a link inside "__value__"'],
  ['a wrapped link to a node', { __value__: ['9', 0] }, 'contains a link inside "__value__"'],
  ['a wrapped link to a missing output', { __value__: ['9', 7] }, 'contains a link inside "__value__"'],
  ['a wrapped link with a truth value', { __value__: ['99', true] }, 'contains a link inside "__value__"'],
  ['a wrapped link with a large number', { __value__: ['99', BIG] }, 'contains a link inside "__value__"'],
  ['a wrapped link with a fraction', { __value__: ['9', 0.5] }, 'contains a link inside "__value__"'],
  ['a link wrapped with its type', { __type__: 'CURVE', __value__: ['99', 0] }, 'contains a link inside "__value__"'],
  ['a link wrapped twice', { __value__: { __value__: ['99', 0] } }, 'contains a link inside "__value__"'],
  ['a link with a truth value', ['99', true], 'is linked to output true, which is not a whole number'],
  ['a link with a large number', ['99', BIG], `is linked to output ${BIG}, which is not a whole number`],
  ['a link with a fraction', ['9', 0.5], 'is linked to output 0.5, which is not a whole number'],
])('refuses %s in any input, described or not, of an own graph and of a published workflow', (_what, value, fault) => {
  for (const input of ['source', 'not_described']) {
    const graph = shows({ [input]: value });
    const problem = `${input} of node 1 (PreviewAny) ${fault}`;
    expect(() => openGraph(graph, { catalogue: undefined })).toThrow(problem);
    const text = JSON.stringify({ graph }, (_key, part) => (part === BIG ? 'BIG' : part)).replace('"BIG"', `${BIG}`);
    expect(() => openWorkflow('w', text)).toThrow(problem);
  }
});

it.each<[what: string, value: unknown]>([
  ['a wrapped list of options', { __value__: ['a', 'b'] }],
  ['a wrapped list of one link', { __value__: [['99', 0]] }],
  [
    'the points of a curve',
    {
      __type__: 'CURVE',
      __value__: [
        [0, 0],
        [1, 1],
      ],
    },
  ],
  ['two numbers', { __value__: [1, 2] }],
  ['a link inside an object', { at: ['99', 0] }],
])('takes %s, which ComfyUI takes for no link', (_what, value) => {
  const { workflow } = openGraph(shows({ source: value }), { catalogue: undefined });
  expect(workflow.graph['1']?.inputs.source).toEqual(value);
});

it.each<[value: unknown]>([[['99', 0]], [['99', true]], [{ __value__: ['99', 0] }], [{ __value__: ['6', 0] }]])(
  'refuses %j as the value of a published workflow, which would make it a link',
  (value) => {
    const listed = aFlow(undefined, { inputs: { looks: { node: 'Style', widget: 'looks' } } });
    const inputs = { looks: value as string[] };
    expect(() => resolved(listed, { inputs, catalogue: STYLE })).toThrow('/inputs/looks must not be a link');
  },
);

const catalogue = parseJson(
  JSON.stringify({
    PreviewAny: { input: { required: { source: ['*', {}] } }, output: [], output_node: true },
    EmptyImage: { input: {}, output: ['IMAGE'] },
    ImageInvert: { input: { required: { image: ['IMAGE', {}] } }, output: ['IMAGE'] },
    Flexible: { input: {}, output: ['INT', '*'] },
  }),
) as Parameters<typeof graphFaults>[2];
const graphWith = (inputs: Readonly<Record<string, unknown>>) => ({
  1: { class_type: 'PreviewAny', inputs: { source: 'x', ...inputs } },
  2: { class_type: 'ImageInvert', inputs: { image: ['9', 3] } },
  3: { class_type: 'Flexible', inputs: {} },
  9: image,
});

it.each<[what: string, link: unknown, node: string, detail: string]>([
  ['a missing output', ['9', 7], '1', 'is linked to output 7 of node 9, which has 1'],
  ['an output below the first', ['9', -5], '1', 'is linked to output -5 of node 9, which has 1'],
  ['an output node without outputs', ['1', 0], '1', 'is linked to output 0 of node 1, which has 0'],
  ['a node that is linked to a missing output', ['2', 0], '2', 'is linked to output 3 of node 9, which has 1'],
])('refuses a link to %s in an input that the class does not describe', (_what, link, node, detail) => {
  const graph = graphWith({ not_described: link });
  expect(graphFaults(graph, ['1'], catalogue)).toEqual([expect.objectContaining({ node, detail })]);
  expect(verdictOf(graph, catalogue)).toMatchObject({ error: { type: 'prompt_outputs_failed_validation' } });
});

it.each<[link: unknown]>([[['9', 0]], [['3', 8]]])(
  'takes the link %j in an input that the class does not describe',
  (link) => {
    expect(graphFaults(graphWith({ not_described: link }), ['1'], catalogue)).toEqual([]);
  },
);
