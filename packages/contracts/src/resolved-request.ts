import type { Lod } from './lod.js';

/** The fields that a profile fills when a request leaves them out, but for denoise. */
export const OVERRIDES = ['steps', 'cfg', 'sampler', 'scheduler', 'width', 'height', 'checkpoint'] as const;
export type Override = (typeof OVERRIDES)[number];

/** A picture that an img2img job starts from, kept in the frames volume under the SHA-256 of its normalised PNG. */
export interface InputImage {
  readonly sha256: string;
  readonly width: number;
  readonly height: number;
  /** The frame it was taken from, if the caller named one. */
  readonly source?: string;
}

/** Every parameter of a job with its final value: nothing is left for a worker to choose. */
export interface ResolvedRequest {
  /** Name of the workflow template. */
  readonly workflow: string;
  readonly prompt: string;
  readonly negativePrompt: string;
  readonly lod: Lod;
  readonly steps: number;
  readonly cfg: number;
  readonly sampler: string;
  readonly scheduler: string;
  /** Decimal digits, 0 to 2^64−1: JavaScript's numbers cannot hold it. */
  readonly seed: string;
  readonly width: number;
  readonly height: number;
  readonly count: number;
  readonly checkpoint: string;
  readonly denoise: number;
  readonly priority: number;
  readonly metadata: Readonly<Record<string, string>>;
  readonly input?: InputImage;
  /** Names of the fields that the caller gave instead of leaving them to the profile; a refining job keeps them. */
  readonly overrides?: readonly Override[];
}
