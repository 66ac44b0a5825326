import { expect, it } from 'vitest';
import { openGraph, openWorkflow } from '../src/index.js';

const PICKER = { Picker: { input: { required: { picture: [['a.png'], { image_upload: true }] } } } };
const graph = (picture: string) => ({
  1: { class_type: 'Picker', inputs: { picture } },
  2: { class_type: 'SaveImage', inputs: { images: ['1', 0], filename_prefix: 'x' } },
});

it('treats an input as a file if only the catalogue says so, wherever its source is opened', () => {
  const { workflow, inputs, files } = openGraph(graph('theirs.png'), { catalogue: PICKER });
  expect(inputs).toEqual({ file_1: 'theirs.png' });
  expect(files.get('file_1')).toEqual({ node: '1', input: 'picture' });
  expect(workflow.text).not.toContain('theirs.png');
  expect(openWorkflow('graph', workflow.text).inputs).toMatchObject([{ name: 'file_1', type: 'image' }]);
});

it('treats an input as a file if its sender says so, without a catalogue', () => {
  const fileAt = ({ node }: { node: string }) => (node === '1' ? ('video' as const) : undefined);
  const { workflow } = openGraph(graph('x'), { catalogue: undefined, fileAt });
  expect(workflow.inputs).toMatchObject([{ name: 'file_1', type: 'video' }]);
});

it.each([
  ['WebcamCapture', 'image', 'image'],
  ['LoadImageOutput', 'image', 'image'],
  ['RecordAudio', 'audio', 'audio'],
  ['LoadLatent', 'latent', 'file'],
])('takes %s.%s for a file, also in a published workflow and without a catalogue', (className, input, kind) => {
  const loads = { class_type: className, inputs: { [input]: 'theirs.bin' } };
  expect(openGraph({ 1: loads }, { catalogue: undefined }).inputs).toEqual({ file_1: 'theirs.bin' });
  const shows = { class_type: 'PreviewAny', inputs: { source: ['1', 0] } };
  const { inputs } = openWorkflow('w', JSON.stringify({ graph: { 1: loads, 2: shows } }));
  expect(inputs).toEqual([expect.objectContaining({ type: kind, slots: [{ node: '1', input }] })]);
});

it('treats a null title as none', () => {
  const shows = { class_type: 'PreviewAny', inputs: { source: ['9', 0] }, _meta: { title: null } };
  const { workflow } = openGraph({ 1: { ...shows, inputs: {} } }, { catalogue: undefined });
  expect(workflow.outputs).toMatchObject([{ node: '1' }]);
  expect(() => openGraph({ 1: shows }, { catalogue: undefined })).toThrow('node 1 (PreviewAny) takes its source');
});

it('shortens a long title and class in errors of a node', () => {
  const inputs = Object.fromEntries(Array.from({ length: 200 }, (_, n) => [`i${n}`, ['9', 0]]));
  const long = 'x'.repeat(10_000);
  const shows = { class_type: long, inputs, _meta: { title: long } };
  const cut = `${'x'.repeat(100)}…`;
  expect(() => openGraph({ 1: shows }, { catalogue: undefined })).toThrow(`"${cut}" (node 1, ${cut}) takes its i199`);
});

it.each(['x', 'é', '\n'])('refuses a long id of a node of %j', (char) => {
  const most = 64 / ({ x: 1, é: 6, '\n': 2 }[char] ?? 1);
  const open = (id: string) => openGraph({ [id]: { class_type: 'EmptyImage', inputs: {} } }, { catalogue: undefined });
  expect(() => open(char.repeat(Math.floor(most) + 1))).toThrow('more than 64 characters');
  expect(() => open(char.repeat(Math.floor(most)))).not.toThrow('more than 64 characters');
});

it.each([{ title: { a: 1 } }, { title: 7 }, 'a title', null])('refuses a node whose _meta is %j', (meta) => {
  const nodes = { ...graph('a.png'), 3: { class_type: 'EmptyImage', inputs: {}, _meta: meta } };
  expect(() => openGraph(nodes, { catalogue: undefined })).toThrow('_meta at node "3"');
});
