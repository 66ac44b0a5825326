import { expect, it } from 'vitest';
import { differenceOf, openUpload } from '../src/index.js';

const NODES = {
  1: { class_type: 'EmptyImage', inputs: { width: 64 }, _meta: { title: 'Canvas' } },
  2: { class_type: 'Blur', inputs: { image: ['1', 0], sigma: 1, mode: 'soft' } },
  3: { class_type: 'SaveImage', inputs: { images: ['2', 0], filename_prefix: 'x' } },
};

function workflow(nodes: object, inputs: object = {}) {
  return openUpload('flow', JSON.stringify({ graph: nodes, inputs }));
}

it('finds added, removed and changed inputs, outputs and nodes', () => {
  const before = workflow(NODES, { inputs: { sigma: { node: '2', widget: 'sigma', maximum: 5 } } });
  const { 2: blur, ...others } = NODES;
  const after = workflow(
    {
      ...others,
      2: { ...blur, inputs: { image: ['4', 1], sigma: 3, size: 7 } },
      4: { class_type: 'Crop', inputs: { image: ['1', 0] } },
    },
    {
      description: 'Softer',
      outputs: { soft: '3' },
      inputs: { sigma: { node: '2', widget: 'sigma', maximum: 9 }, width: { node: '1', widget: 'width' } },
    },
  );
  expect(differenceOf(before, after, undefined)).toEqual({
    whole: [{ what: 'description', before: undefined, after: 'Softer' }],
    inputs: [
      {
        name: 'sigma',
        kind: 'changed',
        changes: [
          { what: 'maximum', before: 5, after: 9 },
          { what: 'default', before: 1, after: 3 },
        ],
      },
      { name: 'width', kind: 'added', changes: [] },
    ],
    outputs: [
      { name: 'soft', kind: 'added', changes: [] },
      { name: 'image', kind: 'removed', changes: [] },
    ],
    nodes: [
      {
        name: '2',
        kind: 'changed',
        title: undefined,
        className: 'Blur',
        changes: [
          { what: 'image', before: '"Canvas" (node 1, EmptyImage)', after: 'node 4 (Crop), output 2' },
          { what: 'sigma', before: 1, after: 3 },
          { what: 'size', before: undefined, after: 7 },
          { what: 'mode', before: 'soft', after: undefined },
        ],
      },
      { name: '4', kind: 'added', title: undefined, className: 'Crop', changes: [] },
    ],
  });
});

it('finds nothing if only the title of a linked node differs', () => {
  const titled = { ...NODES, 1: { ...NODES[1], _meta: { title: 'Paper' } } };
  expect(differenceOf(workflow(NODES), workflow(titled), undefined).nodes).toEqual([
    expect.objectContaining({ name: '1', changes: [{ what: 'title', before: 'Canvas', after: 'Paper' }] }),
  ]);
});
