import { expect, it } from 'vitest';
import { openUpload } from '../src/index.js';

type Nodes = Record<string, { class_type: string; inputs: Record<string, unknown> }>;

/** A text2img graph whose sampler is guided by `positive`. */
const drawing = (positive: string): Nodes => ({
  base: { class_type: 'CheckpointLoaderSimple', inputs: { ckpt_name: 'a.safetensors' } },
  text: { class_type: 'CLIPTextEncode', inputs: { text: 'a tram', clip: ['base', 1] } },
  size: { class_type: 'EmptyLatentImage', inputs: { width: 64, height: 64, batch_size: 1 } },
  sampler: sampler(positive, 'size'),
  decode: { class_type: 'VAEDecode', inputs: { samples: ['sampler', 0], vae: ['base', 2] } },
  save: { class_type: 'SaveImage', inputs: { images: ['decode', 0], filename_prefix: 'x' } },
});

function sampler(positive: string, latent: string): Nodes[string] {
  const values = { seed: 1, steps: 4, cfg: 5, sampler_name: 'euler', scheduler: 'normal', denoise: 1 };
  const links = { model: ['base', 0], positive: [positive, 0], negative: ['text', 0], latent_image: [latent, 0] };
  return { class_type: 'KSampler', inputs: { ...values, ...links } };
}

const describe = (graph: Nodes) => openUpload('large', JSON.stringify(graph)).describe(undefined);

/** A graph whose conditioning passes through `count` nodes, each of which uses the previous one twice. */
function chained(count: number): Nodes {
  const graph = drawing(`c${count - 1}`);
  for (let n = 0; n < count; n += 1) {
    const from = [n === 0 ? 'text' : `c${n - 1}`, 0];
    graph[`c${n}`] = { class_type: 'ConditioningCombine', inputs: { conditioning_1: from, conditioning_2: from } };
  }
  return graph;
}
/** base, text, sampler, decode and save. */
const OTHERS_IN_CHAIN = 5;

it('follows conditioning through the longest chain, each node once however often it is used', () => {
  const { inputs } = describe(chained(500 - OTHERS_IN_CHAIN));
  expect(inputs.find(({ name }) => name === 'prompt')?.slots).toEqual([{ node: 'text', input: 'text' }]);
});

it.each([501 - OTHERS_IN_CHAIN, 20_000])(
  'refuses a chain of %i nodes more, which would end ComfyUI’s prompt thread',
  (count) => {
    expect(() => describe(chained(count))).toThrow(/ends a chain of more than 500 nodes, which ComfyUI cannot follow/);
  },
);

it('uses the guidance nearest to the sampler', () => {
  const graph = drawing('near');
  graph.near = { class_type: 'FluxGuidance', inputs: { guidance: 3, conditioning: ['far', 0] } };
  graph.far = { class_type: 'FluxGuidance', inputs: { guidance: 9, conditioning: ['text', 0] } };
  expect(describe(graph).inputs.find(({ name }) => name === 'cfg')?.slots).toEqual([
    { node: 'near', input: 'guidance' },
  ]);
});

it('analyses no more samplers than people use, and says how to name what is meant', () => {
  const graph = drawing('text');
  for (let n = 0; n < 40; n += 1) graph[`s${n}`] = sampler('text', n === 0 ? 'size' : `s${n - 1}`);
  Object.assign(graph.decode?.inputs ?? {}, { samples: ['s39', 0] });
  delete graph.sampler;
  const { inputs, unsettled } = describe(graph);
  expect(inputs.map(({ name }) => name)).not.toContain('steps');
  expect(unsettled).toContainEqual(expect.stringMatching(/^40 samplers lead to the outputs; .* input:steps/));
});
