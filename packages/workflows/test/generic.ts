import { LODS, type Lod, type ResolvedRequest } from '@comfy-fleet/contracts';
import {
  bindGraph,
  type Catalogue,
  type Graph,
  type InputsToResolve,
  type LodProfile,
  openUpload,
  resolveInputs,
  showJson,
  type Workflow,
} from '../src/index.js';
import { DRAWN_SEED, LIMITS } from './requests.js';

/** Every level has the same values except for its description. */
export const PROFILES = Object.fromEntries(
  LODS.map((lod, index) => [
    lod,
    {
      ...{ steps: 10 + index, cfg: 5, sampler: 'heun', scheduler: 'karras', scale: 0.5 },
      ...{ denoise: 0.5, deadlineSeconds: 60 },
    },
  ]),
) as unknown as Readonly<Record<Lod, LodProfile>>;

type Nodes = Readonly<Record<string, unknown>>;

/** A picture from two samplers: one output shows the first, the other continues from it with a LoRA. */
export const TWO_OUTPUTS: Nodes = {
  1: { class_type: 'CheckpointLoaderSimple', inputs: { ckpt_name: 'base.safetensors' } },
  2: { class_type: 'CLIPTextEncode', inputs: { text: 'a tram', clip: ['1', 1] }, _meta: { title: 'input:scene' } },
  3: { class_type: 'EmptyLatentImage', inputs: { width: 512, height: 768, batch_size: 1 } },
  4: {
    class_type: 'KSampler',
    inputs: {
      ...{ seed: 7, steps: 4, cfg: 8, sampler_name: 'euler', scheduler: 'normal', denoise: 1 },
      ...{ model: ['1', 0], positive: ['2', 0], negative: ['2', 0], latent_image: ['3', 0] },
    },
  },
  5: { class_type: 'VAEDecode', inputs: { samples: ['4', 0], vae: ['1', 2] } },
  6: {
    class_type: 'SaveImage',
    inputs: { images: ['5', 0], filename_prefix: 'x' },
    _meta: { title: 'output:draft' },
  },
  7: {
    class_type: 'ImageStyle',
    inputs: { image: ['5', 0], style: 'ink', looks: 'soft' },
    _meta: { title: 'Style' },
  },
  8: {
    class_type: 'SaveImage',
    inputs: { images: ['7', 0], filename_prefix: 'x' },
    _meta: { title: 'output:styled' },
  },
};

/** Published as `flow`, with an inputs file. */
export function aFlow(graph: Nodes = TWO_OUTPUTS, inputs?: unknown): Workflow {
  return openUpload('flow', showJson(inputs === undefined ? graph : { graph, inputs }));
}

type Wanted = Partial<Pick<InputsToResolve, 'lod' | 'outputs' | 'inputs' | 'catalogue' | 'shape' | 'randomSeed'>>;

export function resolved(workflow: Workflow, wanted: Wanted = {}): ResolvedRequest {
  return resolveInputs({
    workflow,
    profiles: PROFILES,
    lod: undefined,
    inputs: {},
    pointer: (name) => `/inputs/${name}`,
    randomSeed: () => DRAWN_SEED,
    limits: LIMITS,
    ...wanted,
  });
}

export function bound(workflow: Workflow, wanted: Wanted = {}, files: ReadonlyMap<string, string> = new Map()): Graph {
  return bindGraph(workflow, resolved(workflow, wanted), { filenamePrefix: 'job', files });
}

/** Describes the one class of the flow that ComfyUI does not have. */
export const STYLE: Catalogue = {
  ImageStyle: {
    input: { required: { image: ['IMAGE'], style: [['ink', 'oil'], {}], looks: ['COMBO', { options: ['soft'] }] } },
  },
};
