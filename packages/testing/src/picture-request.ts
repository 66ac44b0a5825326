import type { InputFile, InputValue, ResolvedRequest } from '@comfy-fleet/contracts';

/** A request in which some inputs of text2img, or parts of the request, are as a test needs them. */
export type RequestWish = Partial<ResolvedRequest> & Inputs;

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

/** What POST /generate makes of a plain request for a sketch, but for what the test wishes. */
export function pictureRequest(wish: RequestWish = {}): ResolvedRequest {
  const { workflow, version, lod, overrides, outputs, priority, metadata, maxGpuSeconds, inputs, ...more } = wish;
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

/** A picture to start from whose SHA-256 is the same digit throughout, or the digest that is given. */
export function pictureFile(sha256: string): InputFile {
  return { name: `${sha256.length === 1 ? sha256.repeat(64) : sha256}.png`, kind: 'image', width: 64, height: 64 };
}
