import { readdirSync, readFileSync } from 'node:fs';
import type { AllowedNodes } from '@comfy-fleet/contracts';
import { expect, it } from 'vitest';
import { type Catalogue, forbiddenParts, type Graph, openGraph, parseJson, withFileWidgets } from '../src/index.js';

interface Rights {
  readonly allowNodes?: readonly string[] | undefined;
  readonly denyNodes?: readonly string[];
  readonly allowed?: AllowedNodes;
  readonly catalogue?: Catalogue;
}

/** The errors of a graph for a key with these rights, after its files were found. */
function faults(graph: Graph, rights: Rights = {}): string[] {
  const { denyNodes = [], allowed = {} } = rights;
  const allowNodes = 'allowNodes' in rights ? rights.allowNodes : [];
  const catalogue = rights.catalogue && withFileWidgets(rights.catalogue, allowed);
  const { workflow } = openGraph(graph, { catalogue });
  const parts = forbiddenParts(workflow, { allowNodes, denyNodes, allowed }, catalogue);
  return parts.map(({ node, input, detail }) => `${node}${input === undefined ? '' : `.${input}`}: ${detail}`);
}

const TEXT = { class_type: 'PrimitiveString', inputs: { value: 'secret.png' } };
const one = (class_type: string, inputs: Record<string, unknown>): Graph => ({ 1: { class_type, inputs }, 9: TEXT });

/** A class as ComfyUI describes it. */
const described = (python_module: string, required: Record<string, unknown> = {}) => ({
  python_module,
  input: { required },
});
const CUSTOM = { PickFile: described('custom_nodes.picker.nodes', { name: ['STRING', {}], size: ['INT', {}] }) };

it('takes a file only where the class opens one, or a node could show its name', () => {
  const graph: Graph = {
    1: { class_type: 'PrimitiveString', inputs: { value: 'a.png' } },
    2: { class_type: 'LoadImage', inputs: { image: 'a.png' } },
  };
  const { workflow } = openGraph(graph, { catalogue: undefined, fileAt: () => 'image' });
  expect(forbiddenParts(workflow, { allowNodes: [], denyNodes: [], allowed: {} }, undefined)).toEqual([
    { node: '1', input: 'value', detail: 'value of PrimitiveString takes no file' },
  ]);
});

it('refuses an unreviewed class, and says what the operator can do', () => {
  expect(faults(one('PickFile', { name: 'x' }), { catalogue: CUSTOM })).toEqual([
    '1: PickFile is not an allowed node class; the operator can allow it in ALLOWED_NODES_FILE or with keys create --allow-nodes',
  ]);
});

it('refuses a reviewed class that opens forbidden files, and says why', () => {
  expect(faults(one('LoadTrainingDataset', { folder_name: 'x' }))[0]).toContain(
    'LoadTrainingDataset is not an allowed node class (reads a folder on the instance that all keys share)',
  );
});

it.each([
  'CreateHookModelAsLora',
  'CreateHookModelAsLoraModelOnly',
  'EmptyChromaRadianceLatentImage',
  'LatentConcat',
  'LatentCutToBatch',
  'LatentRotate',
  'SamplerLCMUpscale',
  'TorchCompileModel',
  'SeedVR2Preprocess',
  'SeedVR2TemporalChunk',
  'SeedVR2TemporalMerge',
  'StableCascade_EmptyLatentImage',
  'TrainLoraNode',
])('refuses %s, whose results are not counted, or reach later jobs', (className) => {
  expect(faults(one(className, {}))[0]).toMatch(/is not an allowed node class \((makes|keeps|compiles)/);
});

it.each<[what: string, rights: Rights]>([
  ['the pattern of a key', { allowNodes: ['pick*'] }],
  ['its class in the file', { allowed: { classes: { PickFile: {} } } }],
  ['its pack in the file', { allowed: { packs: { 'custom_nodes.picker': {} } } }],
  ['the right to use any class', { allowNodes: undefined }],
])('takes a custom class by %s', (_what, rights) => {
  expect(faults(one('PickFile', { name: 'x', size: 1 }), { ...rights, catalogue: CUSTOM })).toEqual([]);
});

it('does not confuse a pack with one whose name is longer', () => {
  const allowed = { packs: { 'custom_nodes.pick': {} } };
  expect(faults(one('PickFile', {}), { allowed, catalogue: CUSTOM })).toHaveLength(1);
});

it("keeps the limits of a reviewed class that a key's pattern matches, but not if its name is listed", () => {
  const graph = one('StringFormat', { f_string: '{a.__class__}' });
  const limit = ['1.f_string: f_string of StringFormat takes only plain text'];
  const starts = (allowNodes: string[]) =>
    faults(graph, { allowNodes }).map((fault) => fault.slice(0, limit[0]?.length));
  for (const pattern of ['String*', '*']) expect(starts([pattern])).toEqual(limit);
  expect(starts(['StringFormat'])).toEqual([]);
});

it('refuses a custom class that no instance describes, because its file inputs are unknown', () => {
  expect(faults(one('PickFile', {}), { allowNodes: ['*'] })).toEqual([
    '1: no instance is known that has the node class PickFile',
  ]);
});

it('refuses classes that are denied to the key, whatever else allows them', () => {
  const rights = { allowNodes: undefined, allowed: { classes: { PickFile: {} } }, denyNodes: ['*file', 'Primitive*'] };
  expect(faults(one('PickFile', {}), { ...rights, catalogue: CUSTOM })).toEqual([
    '1: PickFile is a node class that this API key may not use',
    '9: PrimitiveString is a node class that this API key may not use',
  ]);
});

it('refuses a custom node with the name of a ComfyUI class, unless its pack is allowed', () => {
  const catalogue = { PrimitiveString: described('custom_nodes.evil', { value: ['STRING', {}] }) };
  expect(faults({ 9: TEXT }, { catalogue })[0]).toContain("where custom_nodes.evil replaces ComfyUI's own");
  expect(faults({ 9: TEXT }, { catalogue, allowed: { packs: { 'custom_nodes.evil': {} } } })).toEqual([]);
});

it('allows a class that moved from one module of ComfyUI to another', () => {
  for (const module of ['comfy_extras.nodes_hunyuan3d', 'comfy_extras.nodes_save_3d']) {
    expect(faults(one('SaveGLB', { mesh: ['9', 0] }), { catalogue: { SaveGLB: described(module) } })).toEqual([]);
  }
});

it.each<[what: string, value: unknown]>([
  ['a link', ['9', 0]],
  ['a list of another length', ['9', 0, 1]],
])('refuses %s in an input that the class does not list', (_what, value) => {
  const graph = one('EmptyImage', { width: 8, height: 8, batch_size: 1, color: 0, path: value });
  expect(faults(graph)).toEqual(['1.path: path of EmptyImage is not an input that ComfyUI lists, so it takes no link']);
});

it('allows a value in an input that the class does not list, because ComfyUI ignores it', () => {
  expect(faults(one('LoadImage', { image: 'a.png', upload: 'image', also: { any: 'thing' } }))).toEqual([]);
});

it('refuses an input that is newer than the review', () => {
  const catalogue = { EmptyImage: described('nodes', { width: ['INT', {}], path: ['STRING', {}] }) };
  expect(faults(one('EmptyImage', { width: 8, path: '/etc/passwd' }), { catalogue })[0]).toContain(
    'path of EmptyImage is new, and nobody has reviewed it',
  );
});

it.each<[className: string, input: string, value: unknown, problem: string | undefined]>([
  ['LoadImage', 'image', ['9', 0], 'takes only the plain name of a file of yours'],
  ['RecordAudio', 'audio', ['9', 0], 'takes only the plain name of a file of yours'],
  ['KSampler', 'sampler_name', ['9', 0], undefined],
  ['KSampler', 'sampler_name', { __value__: ['euler'] }, undefined],
  ['KSampler', 'sampler_name', { name: 'euler' }, 'takes no object'],
  ['LoraLoader', 'lora_name', ['9', 0], undefined],
  ['DiffusersLoader', 'model_path', ['9', 0], 'takes only one of its options'],
  ['DiffusersLoader', 'model_path', { __value__: ['a'] }, 'takes only one of its options'],
  ['ResizeImageMaskNode', 'resize_type', ['9', 0], 'takes only one of its options'],
  ['ResizeImageMaskNode', 'resize_type.multiplier', ['9', 0], undefined],
  ['BatchImagesNode', 'images.image0', ['9', 0], undefined],
  ['BatchImagesNode', 'images.image0', 'a.png', 'takes only a link'],
  ['BatchImagesNode', 'images', ['9', 0], 'is not an input that ComfyUI lists'],
  ['ImageInvert', 'image', 'a.png', 'takes only a link'],
  ['ImageInvert', 'image', { __value__: ['a.png'] }, 'takes only a link'],
  ['ImageInvert', 'image', null, undefined],
  ['Preview3D', 'camera_info', { filename: 'a.png', type: 'input' }, 'takes only a link'],
  ['Preview3D', 'bg_image', ['9', 0], 'is not allowed'],
  ['ImageCropV2', 'crop_region', { x: 0, y: 0, width: 8, height: 8 }, undefined],
  ['ComfyMathExpression', 'values.a', '%150000000d', 'takes only a link'],
  ['ComfySwitchNode', 'on_true', '%150000000d', 'takes only a link'],
  // To the cache of ComfyUI, it is equal to 1.
  ['StringFormat', 'values.a', true, 'takes only a link'],
  ['CreateList', 'inputs.input0', '%150000000d', 'takes only a link'],
  ['SaveImage', 'filename_prefix', '../../a', undefined],
  ['APG', 'momentum', 0, undefined],
  // With momentum it keeps what it sampled for the next job, of any key.
  ['APG', 'momentum', -0.5, 'takes only a number of at most 0'],
  ['SaveText', 'format', 'txt', undefined],
  ['SaveText', 'format', 'json', 'takes no json'],
  ['SaveText', 'format', ['9', 0], 'takes only one of its options'],
  ['VAELoader', 'vae_name', 'a.safetensors', undefined],
  ['VAELoader', 'vae_name', 'pixel_space', 'takes no pixel_space'],
  ['VAELoader', 'vae_name', ['9', 0], 'takes only one of its options'],
])('%s.%s: %j → %s', (className, input, value, problem) => {
  const found = faults(one(className, { [input]: value }));
  if (problem === undefined) expect(found).toEqual([]);
  else expect(found).toEqual([expect.stringContaining(`1.${input}: ${input} of ${className} ${problem}`)]);
});

it.each([
  'a + b * 2',
  'max(a, 1.5) * 2 // (b % 3)',
  '.5 + 2. * sum(values)',
  'a\n+ log(b)',
  'a if a > b else 0',
  'max(8, round(a * (b + 1) / 8) * 8)',
  'round(min(a, b))',
])('takes the formula %s', (expression) => {
  expect(faults(one('ComfyMathExpression', { expression, 'values.a': ['9', 0] }))).toEqual([]);
});

it.each<[unknown]>([
  ["a.save_to('/tmp/x')"],
  ['a . save_to(b)'],
  ['a.\n__class__'],
  ['1 .real'],
  ['a), b if (1'],
  ['a # b'],
  ['sum(values[0])'],
  ['True'],
  ["'CUDA error'"],
  ['"No space left on device"'],
  [['9', 0]],
  [{ __value__: ['a'] }],
])('refuses the formula %j, which could reach into Python objects or choose an error text', (expression) => {
  expect(faults(one('ComfyMathExpression', { expression }))).toHaveLength(1);
});

it.each<[string]>([
  ['pow(pow(9, 4000), 4000) % 7'],
  ['9 ** 4000000'],
  ['9 * * 9'],
  ['1 << 99999999'],
  ['round(a ** 9 ** 9)'],
  ['round(5, -999999999)'],
  ['round (5, a)'],
  ['1 + '.repeat(126)],
])('refuses the formula %j, which could take hours to calculate', (expression) => {
  expect(faults(one('ComfyMathExpression', { expression }))).toEqual([expect.stringContaining('no powers')]);
});

it.each<[string, string, unknown, string | undefined]>([
  ['ManualSigmas', 'sigmas', '0.98, 0.5; 1e-3 .25\n0', undefined],
  ['ManualSigmas', 'sigmas', '.'.repeat(300), 'takes only numbers'],
  ['ManualSigmas', 'sigmas', '1 '.repeat(2001), 'takes only numbers'],
  ['ManualSigmas', 'sigmas', ['9', 0], 'takes only numbers'],
  ['GrowMask', 'expand', -512, undefined],
  ['GrowMask', 'expand', 513, 'takes only a number of at most 512'],
  ['GrowMask', 'expand', '16384', 'takes only a number of at most 512'],
  ['GrowMask', 'expand', ['9', 0], 'takes only a number of at most 512'],
  ['EmptyAudio', 'sample_rate', 11_025, undefined],
  ['EmptyAudio', 'sample_rate', 2_500_075, 'takes only a usual sample rate'],
  ['EmptyAudio', 'sample_rate', 191_999, 'takes only a usual sample rate'],
  ['EmptyAudio', 'sample_rate', ['9', 0], 'takes only a usual sample rate'],
  ['EmptyAudio', 'sample_rate', { toString: 1 }, 'takes only a usual sample rate'],
  ['VAELoader', 'vae_name', { toString: 1 }, 'takes only one of its options'],
  ['TripoSplatPreprocessImage', 'size', 4096, 'takes only a number of at most 1024'],
  ['TripoSplatPreprocessImage', 'erode_radius', 16, 'takes only a number of at most 4'],
  ['EmptyLatentAudio', 'batch_size', 4096, 'takes only a number of at most 64'],
  ['TextOverlay', 'text', 'a caption', undefined],
  ['TextOverlay', 'text', 'a '.repeat(501), 'takes only plain text of at most 1000 characters'],
  ['TextOverlay', 'text', `a ${'b'.repeat(51)}`, 'in words of at most 50'],
  ['TextOverlay', 'text', ['9', 0], 'takes only plain text of at most 1000 characters'],
])(
  '%s.%s, which can keep ComfyUI busy for hours or fill its memory, holds %j: %s',
  (className, input, value, problem) => {
    const found = faults(one(className, { [input]: value }));
    if (problem === undefined) expect(found).toEqual([]);
    else expect(found).toContainEqual(expect.stringContaining(problem));
  },
);

/** Each node joins the text of the one before it with itself. */
const doubled = (times: number): Graph =>
  Object.fromEntries(
    Array.from({ length: times }, (_, n) => {
      const text = n === 0 ? 'ab' : [`${n - 1}`, 0];
      return [n, { class_type: 'StringConcatenate', inputs: { string_a: text, string_b: text, delimiter: '' } }];
    }),
  );
/** A chain in which each node takes the one before it in both inputs. */
const chained = (times: number, class_type: string, one: string, other: string): Graph =>
  Object.fromEntries(
    Array.from({ length: times }, (_, n) => {
      const text = n === 0 ? 'ab' : [`${n - 1}`, 0];
      return [n, { class_type, inputs: { [one]: text, [other]: text } }];
    }),
  );
const replaced = (string: unknown, replace: unknown): Graph => ({
  0: { class_type: 'PrimitiveString', inputs: { value: 'a'.repeat(5000) } },
  1: { class_type: 'StringReplace', inputs: { string, find: 'a', replace } },
});

/** A long text in so many parentheses. */
const nested = (depth: number) => `${'('.repeat(depth)}${' '.repeat(95_000)}${')'.repeat(depth)}`;

it.each<[what: string, graph: Graph, refused: number]>([
  ['doubles a text fifteen times', doubled(15), 0],
  ['doubles a text forty times', doubled(40), 25],
  ['prefixes a text with itself forty times', chained(40, 'AddTextPrefix', 'texts', 'prefix'), 25],
  ['suffixes a text with itself forty times', chained(40, 'AddTextSuffix', 'texts', 'suffix'), 25],
  ['replaces texts by themselves', chained(10, 'ReplaceText', 'texts', 'replace'), 7],
  ['lists a list forty times', chained(40, 'CreateList', 'inputs.input0', 'inputs.input1'), 25],
  [
    'repeats a long text in many fields',
    {
      0: { class_type: 'PrimitiveString', inputs: { value: 'a'.repeat(100_000) } },
      1: { class_type: 'StringFormat', inputs: { f_string: '{a}'.repeat(1000), 'values.a': ['0', 0] } },
    },
    1,
  ],
  ['replaces each character by a word', replaced(['0', 0], 'a word'), 0],
  ['replaces each character by a long text', replaced(['0', 0], ['0', 0]), 1],
  [
    'writes JSON into JSON, which doubles its quotes',
    Object.fromEntries(
      Array.from({ length: 20 }, (_, n) => [
        n,
        { class_type: 'ConvertDictionaryToString', inputs: { dictionary: n === 0 ? {} : [`${n - 1}`, 0] } },
      ]),
    ),
    12,
  ],
  [
    'doubles what is no text at first',
    {
      ...doubled(16),
      0: { class_type: 'PreviewAny', inputs: { source: ['9x', 0] } },
      '9x': { class_type: 'EmptyImage', inputs: {} },
    },
    8,
  ],
  [
    'joins a text to each text of a list',
    {
      ...chained(9, 'CreateList', 'inputs.input0', 'inputs.input1'),
      x: { class_type: 'StringConcatenate', inputs: { string_a: ['8', 0], string_b: 'a'.repeat(500), delimiter: '' } },
    },
    1,
  ],
  ['has a text for an encoder that is longer than any prompt', one('CLIPTextEncode', { text: '('.repeat(100_001) }), 1],
  ['has a text in ninety parentheses', one('CLIPTextEncode', { text: nested(90) }), 0],
  ['has a text in hundreds of parentheses', one('CLIPTextEncode', { text: nested(400) }), 1],
  [
    'joins the parentheses and the text in them',
    {
      0: { class_type: 'PrimitiveString', inputs: { value: '('.repeat(400) } },
      1: { class_type: 'StringConcatenate', inputs: { string_a: ['0', 0], string_b: nested(0), delimiter: '' } },
    },
    1,
  ],
  [
    'takes parentheses out of JSON that it does not contain',
    {
      0: { class_type: 'StringConcatenate', inputs: { string_a: '{"a": "', string_b: nested(0), delimiter: '' } },
      1: { class_type: 'JsonExtractString', inputs: { json_string: ['0', 0], key: 'a' } },
    },
    1,
  ],
  [
    'passes a long text through a switch',
    { ...doubled(24), x: { class_type: 'PreviewAny', inputs: { source: ['23', 0] } } },
    10,
  ],
])('counts the texts that could fill the memory of the host in a graph that %s', (_what, graph, refused) => {
  const found = faults(graph).filter((fault) => fault.includes('makes a text'));
  expect(found).toHaveLength(refused);
});

it('limits what all output nodes of a graph show together, but not what others only pass on', () => {
  const shown = (class_type: string): Graph =>
    Object.fromEntries([
      ['t', { class_type: 'PrimitiveString', inputs: { value: 'a'.repeat(50_000) } }],
      ...Array.from({ length: 30 }, (_, n) => [`${n}`, { class_type, inputs: { source: ['t', 0] } }] as const),
    ]);
  const catalogue = { PreviewAny: { output_node: true }, PrimitiveString: {}, StringTrim: {} };
  const refused = (graph: Graph) => faults(graph, { catalogue }).filter((fault) => fault.includes('makes a text'));
  expect(refused(shown('PreviewAny'))).toHaveLength(10);
  expect(refused(shown('StringTrim'))).toEqual([]);
});

it.each<[count: number, faults: string[]]>([
  [32, []],
  [34, [expect.stringMatching(/^33: a graph may have at most 32 nodes that load files: load each file once/)]],
])('takes at most 32 nodes that load files: of %i', (count, found) => {
  const loader = (n: number) => [n + 1, { class_type: 'LoadImage', inputs: { image: `${n}.png` } }];
  expect(faults(Object.fromEntries(Array.from({ length: count }, (_, n) => loader(n))))).toEqual(found);
});

const CLIP_TYPES = ['stable_diffusion', 'flux2', 'wan', 'qwen_image'];

it.each<[what: string, loader: (type: string) => Graph[string], refused: number]>([
  ['a text encoder', (type) => ({ class_type: 'CLIPLoader', inputs: { clip_name: 't5.safetensors', type } }), 1],
  ['a linked text encoder', (type) => ({ class_type: 'CLIPLoader', inputs: { clip_name: ['9', 0], type } }), 1],
  [
    'several text encoders',
    (type) => ({ class_type: 'CLIPLoader', inputs: { clip_name: `${type}.safetensors`, type } }),
    0,
  ],
  [
    'one text encoder alike',
    () => ({ class_type: 'CLIPLoader', inputs: { clip_name: 't5.safetensors', type: 'wan' } }),
    0,
  ],
])('of four nodes that load %s, refuses a fourth way to load one file', (_what, loader, refused) => {
  const loaders = Object.fromEntries(CLIP_TYPES.map((type, n) => [`${n}`, loader(type)]));
  const graph = { ...loaders, 9: { class_type: 'PrimitiveString', inputs: { value: 't5.safetensors' } } };
  expect(faults(graph).filter((fault) => fault.startsWith('3: loads'))).toHaveLength(refused);
});

it.each(['{a:01}', '{a:09.9f}', '{{', '{a}'])('judges a template of many %s and a brace at once', (field) => {
  const f_string = `${field.repeat(Math.floor(3999 / field.length))}{`;
  expect(faults(one('StringFormat', { f_string }))[0]).toContain('takes only plain text of at most 4000 characters');
});

it.each(['plain', '{a} and {b:.2f}', '{a:03d} {{literal}}'])('takes the template %s', (f_string) => {
  expect(faults(one('StringFormat', { f_string, 'values.a': ['9', 0] }))).toEqual([]);
});

it.each<[unknown]>([
  ['{a.__init__.__globals__[os].environ}'],
  ['{a[0]}'],
  ['{a!r}'],
  ['{a:999999999}'],
  ['{a:{b}}'],
  [['9', 0]],
])('refuses the template %j, which could reach into Python objects or fill memory', (f_string) => {
  expect(faults(one('StringFormat', { f_string }))).toHaveLength(1);
});

const VIDEO = {
  LoadClip: described('custom_nodes.clips.load', { clip: [['a.mp4'], {}], still: [['a.png'], { image_upload: true }] }),
};

it('allows file widgets of an allowed class, named in the file or marked by ComfyUI, only for files of the key', () => {
  const allowed: AllowedNodes = { classes: { LoadClip: { clip: 'video' } } };
  const named = openGraph(one('LoadClip', { clip: 'mine.mp4', still: 'mine.png' }), {
    catalogue: withFileWidgets(VIDEO, allowed),
  });
  expect(Object.values(named.inputs)).toEqual(['mine.mp4', 'mine.png']);
  expect(named.workflow.inputs.map(({ type }) => type)).toEqual(['video', 'image']);
  const linked = one('LoadClip', { clip: ['9', 0], still: ['9', 0] });
  expect(faults(linked, { allowed, catalogue: VIDEO })).toEqual([
    expect.stringContaining('1.clip: clip of LoadClip takes only the plain name'),
    expect.stringContaining('1.still: still of LoadClip takes only the plain name'),
  ]);
});

it('allows links to inputs that a class does not list only if the file names them', () => {
  const graph = one('LoadClip', { any_01: ['9', 0] });
  const allow = (inputs: AllowedNodes['classes']) =>
    faults(graph, { allowed: { classes: inputs ?? {} }, catalogue: VIDEO });
  expect(allow({ LoadClip: {} })).toEqual([expect.stringContaining('any_01 of LoadClip is not an input')]);
  expect(allow({ LoadClip: { 'any_*': 'link' } })).toEqual([]);
});

const FOLDERS = ['../../../workflows/', './fixtures/'].map((path) => new URL(path, import.meta.url));
/** Fixtures with intentionally broken graphs, or with custom nodes. */
const OTHERS = ['dangling', 'circle', 'unknown-encoder', 'computed-steps', 'renumbered'];
const GRAPHS = FOLDERS.flatMap((folder) => {
  const names = readdirSync(folder).filter((name) => /^[\w-]+\.json$/.test(name));
  const read = names.map(
    (name) => [name.slice(0, -'.json'.length), parseJson(readFileSync(new URL(name, folder), 'utf8'))] as const,
  );
  const isGraph = (json: unknown) => Object.values(Object(json)).every((node) => Object(node).class_type !== undefined);
  return read.filter(([name, json]) => isGraph(json) && !OTHERS.includes(name));
});

it.each(GRAPHS)('takes the graph %s, which has only nodes of ComfyUI', (_name, graph) => {
  expect(faults(graph as Graph)).toEqual([]);
});

it('allows at least twenty such graphs', () => {
  expect(GRAPHS.length).toBeGreaterThanOrEqual(20);
});
