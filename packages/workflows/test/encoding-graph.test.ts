import { readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { type Catalogue, type Graph, planEncodings, type RunAhead } from '../src/index.js';

const from = (file: string) => readFileSync(new URL(file, import.meta.url));
const CATALOGUE = JSON.parse(
  gunzipSync(from('../../../apps/simulator/src/data/object-info-0.33.0.json.gz')).toString(),
) as Catalogue;

type Change = (graph: Graph) => void;

function fixture(name: string, change: Change = () => {}): Graph {
  const graph = JSON.parse(from(`fixtures/${name}.json`).toString()) as Graph;
  change(graph);
  return graph;
}

interface Planning {
  readonly missing?: readonly string[];
  readonly isEncoded?: (signature: string) => boolean;
  readonly mostNodes?: number;
  readonly catalogue?: Catalogue;
  readonly runs?: RunAhead;
}

function plan(
  graphs: readonly Graph[],
  { missing = [], isEncoded = () => false, mostNodes = 64, catalogue = CATALOGUE, runs = 'encoders' }: Planning = {},
) {
  const jobs = graphs.map((graph) => ({ graph, missing: new Set(missing) }));
  return planEncodings(jobs, { catalogue, isEncoded, mostNodes, runs });
}

const classesIn = (graph: Graph | undefined) =>
  Object.values(graph ?? {})
    .map(({ class_type }) => class_type)
    .sort();
const count = (graph: Graph | undefined, className: string) =>
  classesIn(graph).filter((name) => name === className).length;

const setText =
  (node: string, text: string, input = 'text'): Change =>
  (graph) => {
    const inputs = graph[node]?.inputs ?? {};
    inputs[input] = text;
  };
/** Jobs with a LoRA, these texts and the same negative text. */
const texts = (...all: string[]) => all.map((text) => fixture('titles', setText('3', text)));

describe('a prompt that encodes ahead', () => {
  it('loads models once, and encodes and shows each text of the jobs once', () => {
    const found = plan(texts('a fox', 'an owl', 'a fox'));
    expect(classesIn(found?.graph)).toEqual([
      'CLIPTextEncode',
      'CLIPTextEncode',
      'CLIPTextEncode',
      'CheckpointLoaderSimple',
      'LoraLoader',
      'PreviewAny',
      'PreviewAny',
      'PreviewAny',
    ]);
    expect(found?.shares).toEqual([2, 2, 2]);
    const encoded = Object.values(found?.graph ?? {}).flatMap(({ inputs }) => inputs.text ?? []);
    expect(encoded.sort()).toEqual(['a fox', 'an owl', 'blurry']);
  });

  it('has the nodes of the first job under their own ids, with the same inputs', () => {
    const [job] = texts('a fox');
    const { graph = {} } = plan(texts('a fox', 'an owl')) ?? {};
    for (const id of ['1', '2', '3', '4']) expect(graph[id]?.inputs).toEqual(job?.[id]?.inputs);
  });

  it('finds nodes that are alike whatever their ids', () => {
    const renamed = Object.fromEntries(
      Object.entries(fixture('titles')).map(([id, node]) => {
        const inputs = Object.entries(node.inputs).map(([input, value]) => [
          input,
          Array.isArray(value) ? [`n${value[0]}`, value[1]] : value,
        ]);
        return [`n${id}`, { ...node, inputs: Object.fromEntries(inputs) }];
      }),
    );
    const jobs = [...texts('a fox'), renamed];
    expect(count(plan(jobs)?.graph, 'CLIPTextEncode')).toBe(3);
    expect(count(plan(jobs)?.graph, 'LoraLoader')).toBe(1);
  });

  it.each([
    ['flux-dev', '6', 'text', ['CLIPTextEncode', 'CLIPTextEncode', 'DualCLIPLoader', 'FluxGuidance', 'FluxGuidance']],
    ['wan-t2v', '5', 'text', ['CLIPLoader', 'CLIPTextEncode', 'CLIPTextEncode', 'CLIPTextEncode']],
    [
      'sdxl-lora',
      '6',
      'text_g',
      [
        'CLIPSetLastLayer',
        'CLIPTextEncodeSDXL',
        'CLIPTextEncodeSDXL',
        'CLIPTextEncodeSDXL',
        'CheckpointLoaderSimple',
        'LoraLoader',
      ],
    ],
    // The picture is scaled before ControlNetApplyAdvanced uses it, so that node is left out.
    ['controlnet', '2', 'text', ['CLIPTextEncode', 'CLIPTextEncode', 'CLIPTextEncode', 'CheckpointLoaderSimple']],
  ])('of %s jobs has only what their texts need', (name, node, input, classes) => {
    const jobs = ['a fox', 'an owl'].map((text) => fixture(name, setText(node, text, input)));
    const { graph } = plan(jobs) ?? {};
    expect(classesIn(graph).filter((className) => className !== 'PreviewAny')).toEqual(classes);
  });

  it('of LTX jobs ends behind LTXVConditioning and leaves out what makes latents', () => {
    const job = (text: string): Graph => ({
      clip: { class_type: 'CLIPLoader', inputs: { clip_name: 't5xxl_fp16.safetensors', type: 'ltxv' } },
      positive: { class_type: 'CLIPTextEncode', inputs: { text, clip: ['clip', 0] } },
      negative: { class_type: 'CLIPTextEncode', inputs: { text: 'blurry', clip: ['clip', 0] } },
      vae: { class_type: 'VAELoader', inputs: { vae_name: 'ltx.safetensors' } },
      rate: {
        class_type: 'LTXVConditioning',
        inputs: { positive: ['positive', 0], negative: ['negative', 0], frame_rate: 25 },
      },
      image: { class_type: 'LoadImage', inputs: { image: 'a.png' } },
      start: {
        class_type: 'LTXVImgToVideo',
        inputs: { positive: ['rate', 0], negative: ['rate', 1], vae: ['vae', 0], image: ['image', 0] },
      },
    });
    const { graph } = plan([job('a fox'), job('an owl')]) ?? {};
    expect(classesIn(graph)).toEqual([
      'CLIPLoader',
      'CLIPTextEncode',
      'CLIPTextEncode',
      'CLIPTextEncode',
      'LTXVConditioning',
      'LTXVConditioning',
      'PreviewAny',
      'PreviewAny',
    ]);
    expect(graph?.rate_shown?.inputs).toEqual({ source: ['rate', 0] });
  });

  it('encodes a loaded picture, unless the instance does not have its file', () => {
    const job = (image: string): Graph => ({
      vision: { class_type: 'CLIPVisionLoader', inputs: { clip_name: 'clip_vision_h.safetensors' } },
      image: { class_type: 'LoadImage', inputs: { image } },
      seen: {
        class_type: 'CLIPVisionEncode',
        inputs: { clip_vision: ['vision', 0], image: ['image', 0], crop: 'center' },
      },
    });
    const jobs = [job('a.png'), job('b.png')];
    expect(count(plan(jobs)?.graph, 'CLIPVisionEncode')).toBe(2);
    expect(plan(jobs, { missing: ['b.png'] })).toBeUndefined();
  });

  it.each<[string, Partial<Record<string, unknown>>]>([
    ['costs money', { api_node: true }],
    ['has effects', { output_node: true }],
    ['is cached by its id', { input: { hidden: { unique_id: ['UNIQUE_ID'] } } }],
    ['makes latents', { output: ['CONDITIONING', 'LATENT'] }],
  ])('leaves out a node that %s, and what depends on it', (_what, described) => {
    const catalogue = { ...CATALOGUE, FluxGuidance: { ...(CATALOGUE.FluxGuidance as object), ...described } };
    const jobs = ['a fox', 'an owl'].map((text) => fixture('flux-dev', setText('6', text)));
    expect(count(plan(jobs, { catalogue })?.graph, 'FluxGuidance')).toBe(0);
    expect(count(plan(jobs, { catalogue })?.graph, 'CLIPTextEncode')).toBe(2);
  });

  it('leaves out a node with a secret, and jobs of unknown nodes', () => {
    const [first, ...others] = texts('a fox', 'an owl');
    const secret = fixture('titles', setText('3', 'sk-123', 'api_key'));
    expect(count(plan([first as Graph, secret, ...others])?.graph, 'CLIPTextEncode')).toBe(3);
    expect(plan(texts('a fox', 'an owl'), { catalogue: {} })).toBeUndefined();
  });

  it('encodes the texts of a graph with hundreds of nodes', () => {
    const latent = { class_type: 'EmptyLatentImage', inputs: { width: 512, height: 512, batch_size: 1 } };
    const others = Object.fromEntries(Array.from({ length: 400 }, (_, n) => [`latent_${n}`, latent]));
    const jobs = texts('a fox', 'an owl').map((graph) => ({ ...graph, ...others }));
    expect(plan(jobs, { mostNodes: 1000 })?.shares).toEqual([2, 2]);
  });

  it('is not needed when no other job has another text, or the texts of the first job are encoded', () => {
    expect(plan(texts('a fox'))).toBeUndefined();
    expect(plan(texts('a fox', 'a fox'))).toBeUndefined();
    const encoded = new Set(plan(texts('a fox', 'an owl'))?.signatures);
    const isEncoded = (signature: string) => encoded.has(signature);
    expect(plan(texts('a fox', 'a cow'), { isEncoded })).toBeUndefined();
    expect(plan(texts('a cow', 'a fox', 'a hen'), { isEncoded })?.shares).toEqual([1, 0, 1]);
  });

  it('encodes for no more jobs than the cache holds until the last of them begins', () => {
    const eight = texts('a', 'b', 'c', 'd', 'e', 'f', 'g', 'h');
    // 2 loaders, 9 texts, 9 that show them; the latent, and 4 nodes of each job but the last.
    expect(plan(eight, { mostNodes: 49 })?.shares).toEqual([2, 2, 2, 2, 2, 2, 2, 2]);
    expect(plan(eight, { mostNodes: 48 })?.shares).toEqual([2, 2, 2, 2, 2, 2, 2, 0]);
    expect(plan(eight, { mostNodes: 10 })).toBeUndefined();
  });
});

describe('a prompt that samples ahead', () => {
  const sampler = (model: string, latent: string) => ({
    class_type: 'KSamplerAdvanced',
    inputs: { model: [model, 0], positive: ['text', 0], negative: ['text', 0], latent_image: [latent, 0] },
  });
  const model = (unet_name: string) => ({ class_type: 'UNETLoader', inputs: { unet_name } });
  const lora = { class_type: 'LoraLoaderModelOnly', inputs: { model: ['high', 0], lora_name: 'fast.safetensors' } };
  const job = (text: string, over: Graph = {}): Graph => ({
    clip: { class_type: 'CLIPLoader', inputs: { clip_name: 'umt5.safetensors', type: 'wan' } },
    text: { class_type: 'CLIPTextEncode', inputs: { text, clip: ['clip', 0] } },
    empty: { class_type: 'EmptyHunyuanLatentVideo', inputs: { width: 832, height: 480, length: 81, batch_size: 1 } },
    high: model('high.safetensors'),
    low: model('low.safetensors'),
    first: sampler('high', 'empty'),
    second: sampler('low', 'first'),
    vae: { class_type: 'VAELoader', inputs: { vae_name: 'wan.safetensors' } },
    decoded: { class_type: 'VAEDecode', inputs: { samples: ['second', 0], vae: ['vae', 0] } },
    ...over,
  });
  const planned = (over?: Graph) => plan([job('a fox', over), job('an owl', over)], { runs: 'sampler' });

  it('ends behind the first sampler whose latents another diffusion model continues', () => {
    const found = planned({ third: sampler('high', 'second'), lora, first: sampler('lora', 'empty') });
    expect(found?.shares).toEqual([1, 1]);
    expect(count(found?.graph, 'KSamplerAdvanced')).toBe(2);
    expect(count(found?.graph, 'UNETLoader')).toBe(1);
    expect(found?.graph.first_shown?.inputs).toEqual({ source: ['first', 0] });
  });

  it('has nothing to do if both stages have the same model, whatever their LoRAs', () => {
    expect(planned({ lora, second: sampler('lora', 'first') })).toBeUndefined();
    expect(planned({ low: model('high.safetensors') })).toBeUndefined();
  });

  it('leaves out a job whose file the instance does not have, and one with a secret', () => {
    const start: Graph = {
      image: { class_type: 'LoadImage', inputs: { image: 'a.png' } },
      empty: { class_type: 'VAEEncode', inputs: { pixels: ['image', 0], vae: ['vae', 0] } },
    };
    const jobs = [job('a fox', start), job('an owl', start)];
    expect(plan(jobs, { runs: 'sampler' })?.shares).toEqual([1, 1]);
    expect(plan(jobs, { runs: 'sampler', missing: ['a.png'] })).toBeUndefined();
    const secret = { ...lora, inputs: { ...lora.inputs, api_key: 'sk-123' } };
    expect(planned({ lora: secret, first: sampler('lora', 'empty') })).toBeUndefined();
  });
});
