import { readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import { expect, it } from 'vitest';
import { type Catalogue, forbiddenParts, type Graph, openGraph, parseJson } from '../src/index.js';

const RECORDED = new URL('../../../apps/simulator/src/data/object-info-0.33.0.json.gz', import.meta.url);
const catalogue = parseJson(gunzipSync(readFileSync(RECORDED)).toString()) as Catalogue;

function faults(graph: Graph): string[] {
  const { workflow } = openGraph(graph, { catalogue });
  const parts = forbiddenParts(workflow, { allowNodes: [], denyNodes: [], allowed: {} }, catalogue);
  return parts.map(({ node, input, detail }) => `${node}.${input}: ${detail}`);
}

const node = (class_type: string, inputs: Record<string, unknown>) => ({ class_type, inputs });
const SOURCES = {
  text: node('PrimitiveString', { value: '%150000000d' }),
  whole: node('PrimitiveInt', { value: 3 }),
  part: node('PrimitiveFloat', { value: 0.5 }),
  picture: node('EmptyImage', { width: 64, height: 64, batch_size: 1, color: 0 }),
  truth: node('PrimitiveBoolean', { value: true }),
};
const FLOATS = 'takes a FLOAT,INT,BOOLEAN';
const formula = (from: string) => node('ComfyMathExpression', { expression: 'a % b', 'values.a': [from, 0] });
const either = (off: string, on: string) =>
  node('ComfySwitchNode', { switch: ['truth', 0], on_false: [off, 0], on_true: [on, 0] });

it.each([
  ['a text', { switch: either('whole', 'text'), sum: formula('switch') }, 'STRING'],
  [
    'a text behind two nodes',
    { first: either('text', 'text'), last: either('whole', 'first'), sum: formula('last') },
    'STRING',
  ],
  ['a list of texts', { list: node('CreateList', { 'inputs.input0': ['text', 0] }), sum: formula('list') }, 'STRING'],
  [
    'a picture',
    {
      small: node('ResizeImageMaskNode', {
        input: ['picture', 0],
        resize_type: 'scale by multiplier',
        'resize_type.multiplier': 1,
        scale_method: 'area',
      }),
      sum: formula('small'),
    },
    'IMAGE',
  ],
])('refuses %s that reaches a formula through a node that passes it on', (_what, nodes, type) => {
  expect(faults({ ...SOURCES, ...nodes })).toEqual([
    `sum.values.a: values.a of ComfyMathExpression is linked to a ${type}, and ${FLOATS}`,
  ]);
});

it('accepts numbers and pictures that nodes pass on to inputs of their type', () => {
  const graph = {
    ...SOURCES,
    number: either('whole', 'part'),
    sum: formula('number'),
    shown: either('picture', 'picture'),
    saved: node('SaveImage', { images: ['shown', 0], filename_prefix: 'x' }),
  };
  expect(faults(graph)).toEqual([]);
});

it('refuses a link to an input that only another option has', () => {
  const resized = { input: ['picture', 0], resize_type: 'scale by multiplier', 'resize_type.multiplier': 1 };
  const graph = { ...SOURCES, small: node('ResizeImageMaskNode', { ...resized, 'resize_type.match': ['picture', 0] }) };
  expect(faults(graph)).toEqual([
    'small.resize_type.match: resize_type.match of ResizeImageMaskNode is not an input that ComfyUI lists, so it takes no link',
  ]);
});

it.each<[string, string, Record<string, unknown>, string[]]>([
  ['a picture in a template', 'StringFormat', { f_string: '{a}', 'values.a': ['picture', 0] }, ['IMAGE']],
  ['one that a switch chooses', 'StringFormat', { f_string: '{a}', 'values.a': ['shown', 0] }, ['IMAGE']],
  ['a number in a template', 'StringFormat', { f_string: '{a}', 'values.a': ['whole', 0] }, []],
  ['a preview of a conditioning', 'PreviewAny', { source: ['combined', 0] }, ['CONDITIONING']],
  ['a preview of a model', 'PreviewAny', { source: ['7', 0] }, ['CLIP']],
  ['a preview of a picture', 'PreviewAny', { source: ['picture', 0] }, ['IMAGE']],
  ['a preview of a number', 'PreviewAny', { source: ['whole', 0] }, []],
])('knows how long a text becomes: %s', (_what, className, inputs, types) => {
  const graph = {
    ...SOURCES,
    shown: either('picture', 'picture'),
    combined: node('ConditioningCombine', { conditioning_1: ['9', 0], conditioning_2: ['9', 0] }),
    9: node('ConditioningZeroOut', { conditioning: ['8', 0] }),
    8: node('CLIPTextEncode', { text: 'x', clip: ['7', 0] }),
    7: node('CLIPLoader', { clip_name: 'x', type: 'sdxl' }),
    p: node(className, inputs),
  };
  const expected = types.map((type) => `${className} prints no ${type}`);
  expect(faults(graph).map((fault) => fault.replace(/^.* of /, ''))).toEqual(expected);
});
