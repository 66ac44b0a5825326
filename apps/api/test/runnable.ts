import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import type { FieldError, Problem } from '@comfy-fleet/contracts';
import { parseJson, showJson } from '@comfy-fleet/workflows';
import { problemOf, type TestApi } from './api.js';

const DIR = new URL('../../../apps/simulator/src/data/', import.meta.url);
const XL = 'sd_xl_base_1.0.safetensors';
/** Too many to list in one useful answer. */
const LORAS = ['add_detail.safetensors', ...Array.from({ length: 5000 }, (_, n) => `style_${n}.safetensors`)];

/**
 * Publishes a catalogue for one instance: all node classes of a real ComfyUI, one checkpoint and thousands of LoRAs.
 * `lists` replaces what required inputs list, by class and input.
 */
export async function publishRealCatalogue(
  { worker }: Pick<TestApi, 'worker'>,
  lists: Readonly<Record<string, Readonly<Record<string, readonly string[]>>>> = {},
): Promise<void> {
  const { digest, classes } = realCatalogue();
  const changed = classes.map(([name, text]): [string, string] => {
    if (lists[name] === undefined) return [name, text];
    const entry = parseJson(text) as { input: { required: Record<string, unknown> } };
    for (const [input, options] of Object.entries(lists[name])) entry.input.required[input] = [options];
    return [name, showJson(entry)];
  });
  const own = createHash('sha256')
    .update(digest + JSON.stringify(lists))
    .digest('hex');
  const abilities = { instance: 'gpu-1/1', seenAt: Date.now(), digest: own, classes: changed, replacements: {} };
  await worker.abilities.publish(['default'], abilities);
}

interface RealCatalogue {
  readonly digest: string;
  readonly classes: readonly [string, string][];
}

let real: RealCatalogue | undefined;

/** Cached, because the file has three megabytes. */
function realCatalogue(): RealCatalogue {
  if (real !== undefined) return real;
  const packed = readFileSync(new URL('object-info-0.33.0.json.gz', DIR));
  const parsed = parseJson(gunzipSync(packed).toString()) as Record<string, unknown>;
  const withFiles = (name: string, input: string, options: readonly string[]) => {
    const entry = parsed[name] as { input: { required: Record<string, unknown> } };
    entry.input.required[input] = [options];
  };
  withFiles('CheckpointLoaderSimple', 'ckpt_name', [XL]);
  withFiles('LoraLoaderModelOnly', 'lora_name', LORAS);
  const classes = Object.entries(parsed).map(([name, entry]): [string, string] => [name, showJson(entry)]);
  real = { classes, digest: createHash('sha256').update(showJson(parsed)).digest('hex') };
  return real;
}

type Inputs = Record<string, unknown>;
type Nodes = Record<string, { class_type: string; inputs: Inputs; _meta?: { title: string } }>;

/** A text-to-picture graph with a LoRA that an input chooses, and two outputs. */
export const drawing = (): Nodes => ({
  1: { class_type: 'CheckpointLoaderSimple', inputs: { ckpt_name: XL } },
  2: {
    class_type: 'LoraLoaderModelOnly',
    inputs: { model: ['1', 0], lora_name: LORAS[0], strength_model: 0.5 },
    _meta: { title: 'input:style.lora_name' },
  },
  3: {
    class_type: 'CLIPTextEncode',
    inputs: { text: 'a tram', clip: ['1', 1] },
    _meta: { title: 'input:scene' },
  },
  4: { class_type: 'EmptyLatentImage', inputs: { width: 512, height: 512, batch_size: 1 } },
  5: {
    class_type: 'KSampler',
    inputs: {
      ...{ seed: 7, steps: 4, cfg: 8, sampler_name: 'euler', scheduler: 'normal', denoise: 1 },
      ...{ model: ['2', 0], positive: ['3', 0], negative: ['3', 0], latent_image: ['4', 0] },
    },
  },
  6: { class_type: 'VAEDecode', inputs: { samples: ['5', 0], vae: ['1', 2] } },
  7: {
    class_type: 'SaveImage',
    inputs: { images: ['6', 0], filename_prefix: 'x' },
    _meta: { title: 'output:picture' },
  },
  8: { class_type: 'ImageInvert', inputs: { image: ['6', 0] } },
  9: {
    class_type: 'SaveImage',
    inputs: { images: ['8', 0], filename_prefix: 'x' },
    _meta: { title: 'output:negative' },
  },
});

/** `drawing` with a second sampler that continues from the first with another seed. */
export function twoPasses(): Nodes {
  const graph = drawing();
  const inputs = { ...graph[5]?.inputs, seed: 8, denoise: 0.5, latent_image: ['5', 0] };
  return {
    ...graph,
    6: { class_type: 'VAEDecode', inputs: { samples: ['10', 0], vae: ['1', 2] } },
    10: { class_type: 'KSampler', inputs },
  };
}

/** Inverts a picture. The graph has no sampler. */
export const inverting = (image = 'example.png'): Nodes => ({
  1: { class_type: 'LoadImage', inputs: { image } },
  2: { class_type: 'ImageInvert', inputs: { image: ['1', 0] } },
  3: { class_type: 'SaveImage', inputs: { images: ['2', 0], filename_prefix: 'x' } },
});

/** `drawing`, but starting from a picture. */
export function redrawing(): Nodes {
  const graph = drawing();
  graph[10] = { class_type: 'LoadImage', inputs: { image: 'example.png' } };
  graph[4] = { class_type: 'VAEEncode', inputs: { pixels: ['10', 0], vae: ['1', 2] } };
  return graph;
}

/** Publishes a workflow. If the API has keys, `key` must have the scope admin. */
export async function publish({ url }: TestApi, name: string, graph: unknown, key = 'root'): Promise<void> {
  const headers = { Authorization: `Bearer ${key}`, 'Content-Type': 'application/json' };
  const answer = await fetch(`${url}/workflows/${name}`, { method: 'PUT', headers, body: JSON.stringify(graph) });
  if (answer.status !== 201) throw new Error(await answer.text());
}

/** The code and the field errors of a refusal. */
export async function refusal(answer: Response): Promise<[code: Problem['code'], ...errors: FieldError[]]> {
  const { code, errors = [] } = await problemOf(answer);
  return [code, ...errors];
}
