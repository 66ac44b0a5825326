import type { OutputFile } from '@comfy-fleet/comfyui';
import { expect, it } from 'vitest';
import { wantedOutputs } from '../src/job/collect.js';

const file = (nodeId: string, type: string): OutputFile => {
  return { nodeId, filename: `${nodeId}.png`, subfolder: '', type, key: 'images' };
};
const graph = {
  '1': { class_type: 'SaveImage', inputs: {} },
  '2': { class_type: 'PreviewImage', inputs: {} },
  '3': { class_type: 'SaveImageWebsocket', inputs: {} },
};
const made = {
  outputs: [file('1', 'output')],
  temporary: [file('2', 'temp'), file('3', 'temp')],
  texts: [],
  values: [],
};
const nodesOf = (asked: ReadonlySet<string> | 'all' | undefined, of = made) =>
  wantedOutputs(of, { graph, asked }).files.map(({ nodeId }) => nodeId);

it('keeps outputs of nodes that save, including pictures for the socket; previews only when asked for or when there is nothing else', () => {
  expect(nodesOf(undefined)).toEqual(['1', '3']);
  expect(nodesOf('all')).toEqual(['1', '2', '3']);
  expect(nodesOf(new Set(['2']))).toEqual(['2']);
  expect(nodesOf(undefined, { ...made, outputs: [], temporary: [file('2', 'temp')] })).toEqual(['2']);
});

it('keeps the outputs of nodes expanded from one that was asked for, and the values that it showed', () => {
  const inside = { ...file('4.0.0.2', 'temp'), expandedFrom: { display: '4', parent: '4', real: '4' } };
  const values = [
    { nodeId: '4', values: { tags: ['a'] } },
    { nodeId: '5', values: { tags: ['b'] } },
  ];
  const wanted = wantedOutputs({ ...made, temporary: [inside], values }, { graph, asked: new Set(['4']) });
  expect([wanted.files, wanted.values]).toEqual([[inside], values.slice(0, 1)]);
});
