import { createHash, randomUUID } from 'node:crypto';
import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { crc32 } from 'node:zlib';
import type { RedisSettings } from '@comfy-fleet/config';
import type { Abilities, InputFile, InputValue, ResolvedRequest } from '@comfy-fleet/contracts';

/** Overrides for a request: inputs of text2img, or parts of the request. */
export type RequestOverrides = Partial<ResolvedRequest> & Inputs;

interface Inputs {
  readonly prompt?: string;
  readonly negative_prompt?: string;
  readonly steps?: number;
  readonly cfg?: number;
  readonly sampler?: string;
  readonly scheduler?: string;
  readonly seed?: string;
  readonly width?: number;
  readonly height?: number;
  readonly count?: number;
  readonly checkpoint?: string;
  readonly denoise?: number;
  readonly image?: InputFile;
}

const USUAL: Inputs = {
  prompt: 'a lighthouse at dusk',
  negative_prompt: 'blurry',
  steps: 8,
  cfg: 5,
  sampler: 'euler_ancestral',
  scheduler: 'normal',
  seed: '42',
  width: 512,
  height: 320,
  count: 1,
  checkpoint: 'sd_xl_base_1.0.safetensors',
  denoise: 1,
};

/** The resolved request of a plain POST /generate for a sketch, with overrides. */
export function pictureRequest(wanted: RequestOverrides = {}): ResolvedRequest {
  const { workflow, version, lod, overrides, outputs, priority, metadata, maxGpuSeconds, inputs, ...more } = wanted;
  return {
    workflow: workflow ?? 'text2img',
    version: version ?? '',
    lod: lod ?? 'sketch',
    inputs: { ...USUAL, ...inputs, ...more } as Readonly<Record<string, InputValue>>,
    ...(overrides === undefined ? {} : { overrides }),
    ...(outputs === undefined ? {} : { outputs }),
    priority: priority ?? 0,
    metadata: metadata ?? {},
    ...(maxGpuSeconds === undefined ? {} : { maxGpuSeconds }),
  };
}

/** An input picture with this SHA-256, or with one digit repeated. */
export function pictureFile(sha256: string): InputFile {
  return { name: `${sha256.length === 1 ? sha256.repeat(64) : sha256}.png`, kind: 'image', width: 64, height: 64 };
}

/** A PNG of 64×64 pixels in one colour, as base64, for jobs that need an input picture. */
export const PICTURE =
  'iVBORw0KGgoAAAANSUhEUgAAAEAAAABACAMAAACdt4HsAAAAA1BMVEUzVXeI+iudAAAACXBIWXMAAAPoAAAD6AG1e1JrAAAAG0lEQVRYw+3BgQAAAADDoPlT3+AEVQEAAAB8AxBAAAEZszF2AAAAAElFTkSuQmCC';

/** Adds a text chunk to the PNG: another file with the same pixels. */
export function withText(png: Buffer, text: string, keyword = 'Comment'): Buffer {
  const data = Buffer.from(`tEXt${keyword}\0${text}`, 'latin1');
  const [length, sum] = [Buffer.alloc(4), Buffer.alloc(4)];
  length.writeUInt32BE(data.length - 4);
  sum.writeUInt32BE(crc32(data));
  const at = 33; // after the header, as Pillow writes texts
  return Buffer.concat([png.subarray(0, at), length, data, sum, png.subarray(at)]);
}

/** The catalogue of a ComfyUI with exactly these nodes, for AbilityRegistry.publish. */
export function catalogueWith(abilities: Abilities, replacements: object = {}) {
  const classes = Object.entries(abilities).map(([name, choices]): [string, string] => {
    const required = Object.fromEntries(Object.entries(choices).map(([input, options]) => [input, [options, {}]]));
    return [name, JSON.stringify({ input: { required }, name })];
  });
  const digest = createHash('sha256')
    .update(JSON.stringify([classes, replacements]))
    .digest('hex');
  return { digest, classes, replacements };
}

/** Stores the large texts of orders in memory. */
export function filesInMemory() {
  const files = new Map<string, Buffer>();
  return {
    files,
    put: async (name: string, source: Iterable<Uint8Array> | AsyncIterable<Uint8Array>) => {
      files.set(name, await buffer(Readable.from(source)));
    },
    open: async (name: string) => {
      const file = files.get(name);
      return file && Readable.from([file]);
    },
    delete: async (name: string) => void files.delete(name),
  };
}

/**
 * Settings of a plain Redis, with overrides. The timeout is long, because a live Redis answers however busy the machine
 * is; tests that stop it or change its primary set a shorter one.
 */
export function redisSettings(given: Partial<RedisSettings> & Pick<RedisSettings, 'url' | 'prefix'>): RedisSettings {
  return { timeoutMs: 30_000, sentinel: undefined, cluster: undefined, tls: undefined, wait: undefined, ...given };
}

/** A unique key prefix for one test, with a Redis Cluster hash tag like the real one. */
export function uniquePrefix(): string {
  return `{test-${randomUUID()}}`;
}
