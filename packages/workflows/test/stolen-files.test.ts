import { readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import { expect, it } from 'vitest';
import { type Catalogue, forbiddenParts, openGraph, parseJson, WorkflowError } from '../src/index.js';

/** The name of the target file is in every attempt, and must not reach ComfyUI. */
const SECRET = 'SECRET';
const NAME = `${SECRET}.png`;

type Inputs = Record<string, unknown>;
type Nodes = Record<string, { class_type: string; inputs: Inputs }>;

interface Attempt {
  readonly what: string;
  readonly graph: Nodes;
  /** Changes that a custom node of the instance makes to it. */
  readonly change?: (catalogue: Catalogue) => Catalogue;
}

/** Every way to get a name into a file widget; node 9 has it as a text, node 8 selects it, node 7 has it in a list. */
const FORMS: readonly [what: string, value: unknown][] = [
  ['a plain name', NAME],
  ['an absolute path', `/etc/${SECRET}`],
  ['a path that leaves the folder', `../../${SECRET}`],
  ['a path with backslashes', `..\\..\\${SECRET}`],
  ['a subfolder', `clipspace/${NAME}`],
  ['an output', `${NAME} [output]`],
  ['a preview', `${NAME} [temp]`],
  ['an input', `${NAME} [input]`],
  ['a hash', `blake3:${SECRET}`],
  ['a URL of a file', `file:///${SECRET}`],
  ['a link to a text', ['9', 0]],
  ['a link to a switch', ['8', 0]],
  ['a link to a list', ['7', 0]],
  ['a link whose output is a truth value', ['9', false]],
  ['a wrapped name', { __value__: NAME }],
  ['a wrapped link', { __value__: ['9', 0] }],
  ['an object', { image: NAME, mask: NAME, normal: NAME, recording: '' }],
  ['a list', [NAME]],
];

/** Every widget of ComfyUI that names a file to open. */
const FILE_WIDGETS: readonly (readonly [className: string, input: string])[] = [
  ['LoadImage', 'image'],
  ['LoadImageMask', 'image'],
  ['LoadImageOutput', 'image'],
  ['WebcamCapture', 'image'],
  ['Painter', 'mask'],
  ['LoadVideo', 'file'],
  ['LoadAudio', 'audio'],
  ['RecordAudio', 'audio'],
  ['LoadLatent', 'latent'],
  ['Load3D', 'model_file'],
  ['Load3DAdvanced', 'model_file'],
  ['Load3DAnimation', 'model_file'],
  ['GeminiInputFiles', 'file'],
  ['OpenAIInputFiles', 'file'],
];

/** The recorded ComfyUIs ran without partner nodes. */
const isPartner = (className: string) => className.endsWith('InputFiles');

const SOURCES: Nodes = {
  7: { class_type: 'CreateList', inputs: { 'inputs.input0': ['9', 0] } },
  8: { class_type: 'ComfySwitchNode', inputs: { switch: true, on_true: ['9', 0], on_false: ['9', 0] } },
  9: { class_type: 'PrimitiveString', inputs: { value: NAME } },
};

/** The classes of node 1 are the targets; the sources alone do no harm. */
const attempt = (what: string, class_type: string, inputs: Inputs, change?: Attempt['change']): Attempt => ({
  what: `${class_type}: ${what}`,
  graph: { 1: { class_type, inputs }, ...SOURCES },
  ...(change === undefined ? {} : { change }),
});

const fromModule = (className: string, python_module: string) => (catalogue: Catalogue) => ({
  ...catalogue,
  [className]: { ...Object(catalogue[className]), python_module },
});

const withInput = (className: string, input: string, described: unknown) => (catalogue: Catalogue) => {
  const description = Object(catalogue[className]);
  return {
    ...catalogue,
    [className]: { ...description, input: { required: { ...description.input?.required, [input]: described } } },
  };
};

function attempts(catalogue: Catalogue): Attempt[] {
  const SWITCHED = ['8', 0];
  return [
    ...FILE_WIDGETS.filter(([className]) => Object.hasOwn(catalogue, className) || isPartner(className)).flatMap(
      ([className, input]) =>
        FORMS.map(([what, value]) => attempt(`${what} in ${input}`, className, { [input]: value })),
    ),
    attempt('files inside an object', 'Load3D', { model_file: 'none', image: { image: NAME, mask: NAME } }),
    attempt('dotted names', 'Load3D', { model_file: 'none', 'image.image': NAME, 'image.mask': NAME }),
    attempt('files inside an object', 'Load3DAnimation', { image: { image: NAME } }),
    attempt('a folder', 'LoadImageDataSetFromFolder', { folder: SECRET }),
    attempt('a folder', 'LoadImageTextDataSetFromFolder', { folder: `../${SECRET}` }),
    attempt('a folder', 'LoadImageSetFromFolderNode', { folder: `/${SECRET}` }),
    attempt('a folder', 'LoadVideoDataSetFromFolder', { folder: ['9', 0] }),
    attempt('a folder', 'LoadTrainingDataset', { folder_name: SECRET }),
    attempt('a folder to write to', 'SaveTrainingDataset', { folder_name: `../${SECRET}` }),
    attempt('a folder to write to', 'SaveImageDataSetToFolder', { folder_name: SECRET, filename_prefix: 'x' }),
    attempt('a folder of models by link', 'DiffusersLoader', { model_path: ['9', 0] }),
    attempt('a folder of models by a wrapped link', 'DiffusersLoader', { model_path: { __value__: ['9', 0] } }),
    attempt('a path among images', 'Rodin3D_Regular', { Images: { __value__: [`/${SECRET}`] } }),
    attempt('a path among images by link', 'Rodin3D_Gen2', { Images: ['7', 0] }),
    attempt('a file among outputs', 'Preview3D', { model_file: '', camera_info: { filename: NAME, type: 'input' } }),
    attempt('a text in place of an image', 'SaveImage', { images: NAME }),
    attempt('an object in place of a video', 'SaveVideo', { video: { file: NAME } }),
    attempt('a method of an object', 'ComfyMathExpression', {
      expression: `a.save_to(${SECRET})`,
      'values.a': SWITCHED,
    }),
    attempt('a formula by link', 'ComfyMathExpression', { expression: ['9', 0], 'values.a': SWITCHED }),
    attempt('the environment', 'StringFormat', {
      f_string: `{a.__init__.__globals__[${SECRET}]}`,
      'values.a': SWITCHED,
    }),
    attempt('a template by link', 'StringFormat', { f_string: ['9', 0], 'values.a': SWITCHED }),
    attempt('an unknown class', 'LoadImageFromPath', { path: `/${SECRET}` }),
    attempt('an unknown class with a pretty name', 'LoadImage ', { image: NAME }),
    attempt('an inherited name', 'constructor', { image: NAME }),
    attempt('an inherited name', '__proto__', { image: NAME }),
    attempt('a linked keyword', 'PreviewAny', { source: 'x', path: ['9', 0] }),
    attempt('a linked keyword', 'SaveAudio', { format: ['9', 0] }),
    attempt('a linked root of a growing input', 'CreateList', { inputs: ['9', 0] }),
    attempt('a linked choice that brings inputs', 'ResizeImageMaskNode', { resize_type: ['9', 0] }),
    attempt(
      'a class of ComfyUI taken over',
      'EmptyImage',
      { width: 8 },
      fromModule('EmptyImage', `custom_nodes.${SECRET}`),
    ),
    attempt(
      'a class of ComfyUI taken over',
      'LoadImage',
      { image: ['9', 0] },
      fromModule('LoadImage', `custom_nodes.x`),
    ),
    attempt('an input of a newer ComfyUI', 'LoadImage', { path: NAME }, withInput('LoadImage', 'path', ['STRING', {}])),
    attempt(
      'an upload of a newer ComfyUI',
      'EmptyImage',
      { file: ['9', 0] },
      withInput('EmptyImage', 'file', [[], { image_upload: true }]),
    ),
  ];
}

const catalogueOf = (version: string): Catalogue =>
  parseJson(
    gunzipSync(
      readFileSync(new URL(`../../../apps/simulator/src/data/object-info-${version}.json.gz`, import.meta.url)),
    ).toString(),
  ) as Catalogue;

/** The graph that ComfyUI would get; undefined: the attempt is refused. */
function passed({ graph, change = (same) => same }: Attempt, described: Catalogue): string | undefined {
  const catalogue = change(described);
  try {
    const { workflow } = openGraph(graph, { catalogue });
    const rights = { allowNodes: [], denyNodes: [], allowed: {} };
    if (forbiddenParts(workflow, rights, catalogue).length > 0) return undefined;
    // An input is replaced by the name of one of the key's files, or of none.
    const { 1: attacked } = workflow.graph;
    return JSON.stringify(attacked);
  } catch (error) {
    if (error instanceof WorkflowError) return undefined;
    throw error;
  }
}

it.each(['0.3.64', '0.33.0'])('lets no name of a foreign file through to ComfyUI %s', (version) => {
  const catalogue = catalogueOf(version);
  const all = attempts(catalogue);
  expect(all.length).toBeGreaterThanOrEqual(69);
  const isLeak = (text: string | undefined) => text !== undefined && (text.includes(SECRET) || /\["[789]"/.test(text));
  expect(all.filter((one) => isLeak(passed(one, catalogue))).map(({ what }) => what)).toEqual([]);
});

it.each(['0.3.64', '0.33.0'])('lets harmless graphs with the same sources through to ComfyUI %s', (version) => {
  const catalogue = catalogueOf(version);
  const harmless = attempt('a text', 'PreviewAny', { source: ['9', 0] });
  expect(passed(harmless, catalogue)).toContain('["9",0]');
  expect(passed(attempt('a file', 'LoadImage', { image: 'mine.png' }), catalogue)).toContain('"image":""');
});
