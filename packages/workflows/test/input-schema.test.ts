import { Ajv2020 } from 'ajv/dist/2020.js';
import { describe, expect, it } from 'vitest';
import { exampleBody, unionOf } from '../src/index.js';
import { catalogueOf, describeChanged, describeFixture, schemaOf } from './describe.js';
import { aFlow, TWO_OUTPUTS } from './generic.js';
import { LIMITS } from './requests.js';

describe.each(['0.3.64', '0.33.0'] as const)('with the catalogue of %s', (version) => {
  it('reads types, bounds, options and tooltips from it, and defaults from the graph', async () => {
    const found = await describeFixture('ace-step', await catalogueOf(version));
    const tooltip = 'The number of steps used in the denoising process.';
    expect(schemaOf(found, 'steps')).toEqual({
      type: 'integer',
      minimum: 1,
      maximum: 10_000,
      description: tooltip,
      default: 50,
    });
    expect(schemaOf(found, 'cfg')).toEqual({ type: 'number', minimum: 0, maximum: 100, default: 5 });
    expect(schemaOf(found, 'scheduler')).toMatchObject({
      type: 'string',
      enum: expect.arrayContaining(['simple', 'karras']),
    });
    expect(schemaOf(found, 'tags')).toMatchObject({ type: 'string', 'x-multiline': true });
  });

  it('treats pictures and sounds as files that every request uploads', async () => {
    const found = await describeFixture('upscale', await catalogueOf(version));
    expect(schemaOf(found, 'image')).toEqual({ type: 'string', contentMediaType: 'image/*' });
    expect(found.schema.required).toEqual(['image']);
    expect(exampleBody(found)).toEqual({ inputs: { image: 'asset:<id>' } });
  });

  it('reports what that ComfyUI would refuse', async () => {
    const found = await describeChanged(
      'ace-step',
      (graph) => {
        Object.assign(graph[6]?.inputs ?? {}, { steps: 0, sampler_name: 'eulerish' });
        delete graph[2]?.inputs.lyrics_strength;
        Object.assign(graph[7] ?? {}, { class_type: 'VAEDecodeAudioo' });
      },
      { catalogue: await catalogueOf(version) },
    );
    expect([...found.refused].sort()).toEqual([
      expect.stringMatching(
        /^"KSampler" \(node 6, KSampler\): sampler_name is "eulerish", and there is only euler, .* more\.$/,
      ),
      '"KSampler" (node 6, KSampler): steps is 0, and the least is 1.',
      expect.stringMatching(
        /^"Load Checkpoint" .*: ckpt_name is "ace_step_v1_3\.5b\.safetensors", and there is (none|only .*)\.$/,
      ),
      '"TextEncodeAceStepAudio" (node 2, TextEncodeAceStepAudio): lyrics_strength is missing.',
      expect.stringMatching(
        /^"VAEDecodeAudio" .*: there is no node class VAEDecodeAudioo, did you mean "VAEDecodeAudio"\?$/,
      ),
    ]);
  });
});

it('leaves seeds random, and accepts them up to 2^64−1', async () => {
  const found = await describeFixture('ace-step', await catalogueOf('0.33.0'));
  const validate = new Ajv2020({ strict: false }).compile(found.schema);
  for (const seed of [0, Number.MAX_SAFE_INTEGER, '18446744073709551615']) expect(validate({ seed })).toBe(true);
  for (const seed of [-1, 1.5, 'x']) expect(validate({ seed })).toBe(false);
  expect(validate({ steps: 0 })).toBe(false);
  expect(validate({ stepz: 1 })).toBe(false);
  expect(validate({})).toBe(true);
  expect(exampleBody(found).inputs).not.toHaveProperty('seed');
});

it('prefers the inputs file to the catalogue and the graph', async () => {
  const found = await describeFixture('titles', await catalogueOf('0.33.0'));
  expect(schemaOf(found, 'ink')).toEqual({
    type: 'number',
    minimum: 0,
    maximum: 1.5,
    default: 0.5,
    description: 'How much of the ink drawing shows',
    'x-group': 'style',
  });
  expect(found.schema.required).toEqual(['subject']);
});

it('limits texts like the prompts of pictures, unless the inputs file or a longer default allows more', () => {
  const mostOf = (text: string, maximum?: number) => {
    const graph = { ...TWO_OUTPUTS, 2: { class_type: 'CLIPTextEncode', inputs: { text, clip: ['1', 1] } } };
    const flow = aFlow(graph, { inputs: { scene: { node: '2', widget: 'text', maximum } } });
    return schemaOf(flow.describe(undefined, LIMITS), 'scene');
  };
  expect(mostOf('a tram')).toMatchObject({ type: 'string', maxLength: 4000 });
  expect(mostOf('a tram', 20_000)).toMatchObject({ maxLength: 20_000 });
  expect(mostOf('a'.repeat(5000))).toMatchObject({ maxLength: 5000 });
});

it('offers every option that any of several ComfyUIs has', async () => {
  const [one, other] = [await catalogueOf('0.3.64'), await catalogueOf('0.33.0')];
  const options = async (catalogue: typeof one) =>
    (schemaOf(await describeFixture('ace-step', catalogue), 'sampler') as { enum: string[] }).enum;
  const all = await options(unionOf([one, other]));
  expect(new Set(all)).toEqual(new Set([...(await options(one)), ...(await options(other))]));
  expect(all.length).toBeGreaterThan((await options(one)).length);
});

it('accepts a number that ComfyUI would parse from a string', async () => {
  const catalogue = await catalogueOf('0.33.0');
  const refused = async (steps: unknown) => {
    const change = (graph: Record<string, { inputs: Record<string, unknown> }>) => {
      Object.assign(graph[6]?.inputs ?? {}, { steps });
    };
    const found = await describeChanged('ace-step', change, { catalogue });
    return found.refused.filter((sentence) => sentence.includes('steps'));
  };
  expect(await refused('20')).toEqual([]);
  expect(await refused('many')).toEqual(['"KSampler" (node 6, KSampler): steps is "many", which is no number.']);
  expect(await refused('20000')).toEqual([expect.stringMatching(/and the most is 10000\.$/)]);
});

it('reports that nothing is saved', async () => {
  const found = await describeChanged(
    'upscale',
    (graph) => {
      delete graph[4];
      Object.assign(graph[3]?.inputs ?? {}, { image: ['1', 0] });
      Object.assign(graph, { 8: { class_type: 'LoadImage', inputs: {}, _meta: { title: 'x' } } });
    },
    { catalogue: await catalogueOf('0.33.0') },
  );
  expect(found.refused).toEqual([expect.stringMatching(/^No node of it saves anything/)]);
});

it('reports an unknown class even if no output needs it, because ComfyUI checks every node', async () => {
  const found = await describeChanged(
    'upscale',
    (graph) => {
      Object.assign(graph, { 8: { class_type: 'LoadImag', inputs: {}, _meta: { title: 'x' } } });
    },
    { catalogue: await catalogueOf('0.33.0') },
  );
  expect(found.refused).toContain('"x" (node 8, LoadImag): there is no node class LoadImag, did you mean "LoadImage"?');
});

it('describes how a picture is a mask: for itself by its transparency, or for another one', async () => {
  const own = await describeFixture('img2img-inpaint');
  expect(schemaOf(own, 'image')).toMatchObject({ 'x-mask': 'alpha' });
  const apart = await describeChanged('img2img-inpaint', (graph) => {
    Object.assign(graph, { 9: { class_type: 'LoadImageMask', inputs: { image: 'mask.png', channel: 'red' } } });
    Object.assign(graph[7]?.inputs ?? {}, { mask: ['9', 0] });
  });
  expect(schemaOf(apart, 'image')).not.toHaveProperty('x-mask');
  expect(schemaOf(apart, 'mask')).toMatchObject({ contentMediaType: 'image/*', 'x-mask': 'white' });
});

it('has every input and every module of any of several ComfyUIs', () => {
  const described = (python_module: string, required: object) => ({ A: { python_module, input: { required } } });
  const first = described('nodes', { image: [['a.png'], {}] });
  const other = described('custom_nodes.b', { image: [['b.png'], { image_upload: true }], path: ['STRING', {}] });
  expect(unionOf([first, other]).A).toMatchObject({
    python_module: 'nodes, custom_nodes.b',
    input: {
      required: { image: ['COMBO', { options: ['a.png', 'b.png'], image_upload: true }] },
      optional: { path: ['STRING', {}] },
    },
  });
});
