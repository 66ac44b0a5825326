import type { Graph } from '@comfy-fleet/comfyui';
import { loadConfig, overridesEnv } from '@comfy-fleet/config';
import { createRandom, type Random } from '../../../lib/random.js';

/** A job, and when it arrives: ms since the start. */
export interface PictureJob {
  readonly key: string;
  readonly inputs: {
    readonly prompt: string;
    readonly seed: number;
    readonly checkpoint?: string;
    readonly lora?: string;
  };
  readonly atMs: number;
}

/** Jobs of one workflow for simulated GPUs. Times are those of real GPUs divided by a constant. */
export interface PictureScenario {
  readonly what: string;
  /** Default: one. */
  readonly gpus?: number;
  /** The settings of the simulator. */
  readonly gpu: Readonly<Record<string, unknown>>;
  /** Settings of the service. */
  readonly env?: Readonly<Record<string, string>>;
  readonly graph: (inputs: PictureJob['inputs']) => Graph;
  /** Batches of jobs, one after the other, from which the worker learns how long everything takes. */
  readonly learning: readonly (readonly PictureJob[])[];
  /** Each round is measured with the service and with direct submission. The texts of all rounds differ. */
  readonly rounds: readonly { readonly service: readonly PictureJob[]; readonly direct: readonly PictureJob[] }[];
}

const GIB = 1024 ** 3;
const MODEL = 'flux1-dev.safetensors';
const ENCODER = 't5xxl_fp16.safetensors';
const SIZES = { [MODEL]: 20 * GIB, [ENCODER]: 10 * GIB };
const BOTH_GIB = 30;
const STEPS = 4;

const node = (class_type: string, inputs: Readonly<Record<string, unknown>>, title = class_type) => ({
  class_type,
  inputs: { ...inputs },
  _meta: { title },
});

/** The nodes behind the loaders, to which `links` leads. */
function picture(
  { prompt, seed }: PictureJob['inputs'],
  side: number,
  links: Record<'model' | 'clip' | 'vae', [string, number]>,
): Graph {
  const { model, clip, vae } = links;
  return {
    positive: node('CLIPTextEncode', { clip, text: prompt }),
    negative: node('CLIPTextEncode', { clip, text: 'blurry' }),
    latent: node('EmptyLatentImage', { width: side, height: side, batch_size: 1 }),
    sampler: node('KSampler', {
      seed,
      steps: STEPS,
      cfg: 4,
      sampler_name: 'euler',
      scheduler: 'normal',
      denoise: 1,
      model,
      positive: ['positive', 0],
      negative: ['negative', 0],
      latent_image: ['latent', 0],
    }),
    decoded: node('VAEDecode', { samples: ['sampler', 0], vae }),
    saved: node('SaveImage', { images: ['decoded', 0], filename_prefix: 'picture' }),
  } as Graph;
}

/** A diffusion model with a text encoder of its own. */
const withEncoder =
  (side: number) =>
  (inputs: PictureJob['inputs']): Graph =>
    ({
      encoder: node('CLIPLoader', { clip_name: ENCODER, type: 'ltxv' }),
      model: node('UNETLoader', { unet_name: MODEL, weight_dtype: 'default' }),
      vae: node('VAELoader', { vae_name: 'ae.safetensors' }),
      ...picture(inputs, side, { model: ['model', 0], clip: ['encoder', 0], vae: ['vae', 0] }),
    }) as Graph;

/** So small that drawing takes next to no time. */
const TINY = 64;
/** So small that the simulator compresses a picture faster than ComfyUI compresses one of a megapixel. */
const SMALL = 256;
const CACHE_LRU = 64;

interface Swapping {
  readonly swapSeconds: number;
  readonly samplingSeconds: number;
  /** By how much times are divided. */
  readonly scale: number;
  /** Default: the text encoder and the model displace each other. */
  readonly vramGib?: number;
  readonly cacheLru?: number;
}

/** A GPU that needs some seconds to move the text encoder and then the model into its memory. */
function swapping({ swapSeconds, samplingSeconds, scale, vramGib = 24, cacheLru = CACHE_LRU }: Swapping) {
  const ms = (seconds: number) => (seconds * 1000) / scale;
  const { leastSavedMs } = loadConfig({}).worker.encodeAhead;
  return {
    gpu: {
      model_bytes: SIZES,
      vram_bytes: vramGib * GIB,
      cache_lru: cacheLru,
      step_ms: ms(samplingSeconds) / STEPS,
      swap_ms_per_gib: ms(swapSeconds) / BOTH_GIB,
    },
    env: overridesEnv({ worker: { encodeAhead: { leastSavedMs: leastSavedMs / scale } } }),
  };
}

let lastSeed = 0;
/** A seed that no other job has. */
function nextSeed(): number {
  lastSeed += 1;
  return lastSeed;
}

/** Jobs that wait at the same time, each with a text of its own. */
function waiting(count: number): PictureJob[] {
  return Array.from({ length: count }, nextSeed).map((seed) => ({
    key: 'bench',
    inputs: { prompt: `picture ${seed} of a series`, seed },
    atMs: 0,
  }));
}

/** The same jobs with other seeds. */
function repeating(jobs: readonly PictureJob[]): PictureJob[] {
  return jobs.map(({ inputs, ...job }) => ({ ...job, inputs: { ...inputs, seed: nextSeed() } }));
}

/** How many jobs wait, as in the goals. */
const WAITING = 8;
const LEARNING = 4;

function distinctTexts(rounds: number) {
  const last = waiting(LEARNING);
  return {
    // The worker tries twice whether encoding ahead has an effect.
    learning: [waiting(LEARNING), waiting(LEARNING), last, repeating(last)],
    rounds: Array.from({ length: rounds }, () => ({ service: waiting(WAITING), direct: waiting(WAITING) })),
  };
}

export interface PictureSizes {
  readonly rounds: number;
  /** Jobs of the mixed trace. */
  readonly trace: number;
}

/** How long a prompt with a picture of a megapixel takes besides saving, and how long saving takes, in ms. */
const QUICK_MS = 569;
const SMALL_MEGAPIXELS = SMALL ** 2 / 1e6;
const SAVING = { png_ms_per_megapixel: 131 / SMALL_MEGAPIXELS, webp_ms_per_megapixel: 40 / SMALL_MEGAPIXELS };

export function pictureScenarios({ rounds, trace }: PictureSizes) {
  const ltx = { swapSeconds: 30, samplingSeconds: 38 };
  const krea = { swapSeconds: 14, samplingSeconds: 8.5 };
  const distinct = () => ({ graph: withEncoder(TINY), ...distinctTexts(rounds) });
  return {
    ltx: { ...distinct(), what: 'a: LTX, 8 texts wait', ...swapping({ ...ltx, scale: 100 }) },
    krea: { ...distinct(), what: 'b: Krea, 8 texts wait', ...swapping({ ...krea, scale: 50 }) },
    fits: { ...distinct(), what: 'c: everything fits', ...swapping({ ...ltx, scale: 100, vramGib: 48 }) },
    classic: { ...distinct(), what: 'd: classic cache', ...swapping({ ...ltx, scale: 100, cacheLru: 0 }) },
    saving: {
      ...distinct(),
      what: 'e: 0.7 s, 1 megapixel',
      graph: withEncoder(SMALL),
      gpu: { ...SAVING, step_ms: QUICK_MS / STEPS, cache_lru: CACHE_LRU },
    },
    mixed: mixedScenario(trace),
  } satisfies Record<string, PictureScenario>;
}

const SEED = 17;
const BASES = Array.from({ length: 20 }, (_, n) => `base-${n + 1}.safetensors`);
const LORAS = Array.from({ length: 100 }, (_, n) => `lora-${n + 1}.safetensors`);
/** The keys of the trace, and how many bursts each sends in relation to the others. */
export const TRACE_KEYS = { anna: 3, ben: 2, carla: 2, dora: 2 } as const;
/** The sizes of bursts, in pictures, and their weights. */
const BURSTS = { 1: 4, 2: 3, 3: 2, 4: 1 } as const;
const TRACE_SCALE = 40;
/** What a picture and the loading of a base model or LoRA take. */
const TRACE_SECONDS = { sampling: 5, base: 10, lora: 2 };
const TRACE_GPUS = 4;
/** The default of MODEL_PATIENCE_SECONDS. */
const PATIENCE_SECONDS = 30;
/** Half of the jobs wait from the beginning. The others arrive faster than the GPUs can execute them. */
const ARRIVAL_MS = 30;

/**
 * A trace in the shape of that published with Katz (USENIX ATC '25): few of many base models and LoRAs are popular (a
 * popularity of 1/n), and requests come in bursts that use the same models.
 */
function mixedScenario(count: number): PictureScenario {
  const service = traceOf(count, createRandom(SEED, 0));
  const { sampling, base, lora } = TRACE_SECONDS;
  const ms = (seconds: number) => (seconds * 1000) / TRACE_SCALE;
  return {
    what: `f: ${BASES.length} bases, ${LORAS.length} LoRAs`,
    gpus: TRACE_GPUS,
    gpu: {
      step_ms: ms(sampling) / STEPS,
      model_load_ms: ms(base),
      small_model_load_ms: ms(lora),
      checkpoints: BASES,
      loras: LORAS,
    },
    env: overridesEnv({ queue: { modelPatienceSeconds: PATIENCE_SECONDS / TRACE_SCALE } }),
    graph: (inputs) => {
      const { checkpoint = BASES[0], lora = LORAS[0] } = inputs;
      const strengths = { strength_model: 1, strength_clip: 1 };
      return {
        base: node('CheckpointLoaderSimple', { ckpt_name: checkpoint }),
        lora: node(
          'LoraLoader',
          { model: ['base', 0], clip: ['base', 1], lora_name: lora, ...strengths },
          'input:lora.lora_name',
        ),
        ...picture(inputs, TINY, { model: ['lora', 0], clip: ['lora', 1], vae: ['base', 2] }),
      } as Graph;
    },
    // Models that were never loaded count with seconds, which are not divided by the scale.
    learning: [LORAS.map((lora, n) => traceJob('anna', { checkpoint: BASES[n % BASES.length] ?? '', lora }))],
    rounds: [{ service, direct: repeating(service) }],
  };
}

function traceJob(key: string, models: { readonly checkpoint: string; readonly lora: string }, atMs = 0): PictureJob {
  return { key, inputs: { prompt: `a picture of ${key}`, seed: nextSeed(), ...models }, atMs };
}

function traceOf(count: number, random: Random): PictureJob[] {
  const jobs: PictureJob[] = [];
  while (jobs.length < count) {
    const key = random.weighted(TRACE_KEYS);
    const atMs = Math.max(0, jobs.length - count / 2) * ARRIVAL_MS;
    const models = { checkpoint: popular(BASES, random), lora: popular(LORAS, random) };
    for (let left = Number(random.weighted(BURSTS)); left > 0 && jobs.length < count; left -= 1) {
      jobs.push(traceJob(key, models, atMs));
    }
  }
  return jobs;
}

/** One of the names, the nth with a probability in proportion to 1/n. */
function popular(names: readonly string[], random: Random): string {
  const weights = names.map((name, n) => [name, Math.round(1_000_000 / (n + 1))] as const);
  return random.weighted(Object.fromEntries(weights));
}
