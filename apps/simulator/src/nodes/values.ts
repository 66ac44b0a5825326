import type { Json } from '../python.js';

/** Pictures of one size: a buffer of RGB pixels, row by row, for each picture of the batch. */
export interface Images {
  readonly kind: 'images';
  readonly width: number;
  readonly height: number;
  readonly frames: readonly Buffer[];
}

export interface Model {
  readonly kind: 'model';
  readonly name: string;
  readonly loras: readonly string[];
}

export interface Conditioning {
  readonly kind: 'conditioning';
  readonly texts: readonly string[];
}

/** How a sampler paints over what a latent held before. */
export interface Painting {
  /** Decimal digits. */
  readonly seed: string;
  readonly steps: number;
  readonly denoise: number;
  readonly cfg: number;
  readonly positive: string;
  readonly negative: string;
  /** Model, LoRAs, sampler and scheduler. Each combination has its own noise. */
  readonly style: string;
}

/** How the content of a latent was made. It is drawn only when it is decoded. */
export type LatentContent =
  | { readonly kind: 'empty' }
  | { readonly kind: 'pixels'; readonly images: Images }
  | { readonly kind: 'painted'; readonly under: LatentContent; readonly painting: Painting };

/** Sizes are those of the decoded picture, in pixels. */
export interface Latent {
  readonly kind: 'latent';
  readonly width: number;
  readonly height: number;
  readonly batch: number;
  readonly content: LatentContent;
}

export interface Sampler {
  readonly kind: 'sampler';
  readonly name: string;
}

export interface Sigmas {
  readonly kind: 'sigmas';
  readonly scheduler: string;
  readonly steps: number;
  readonly denoise: number;
}

export interface Noise {
  readonly kind: 'noise';
  readonly seed: string;
}

export interface Guider {
  readonly kind: 'guider';
  readonly model: Model;
  readonly positive: Conditioning;
  readonly negative: Conditioning | undefined;
  readonly cfg: number;
}

/** Text encoders. */
export interface Clip {
  readonly kind: 'clip';
  /** The files that they were loaded from. */
  readonly files: readonly string[];
}

/** Values that nodes only pass on. */
export interface Opaque {
  readonly kind: 'vae' | 'controlnet' | 'mask';
}

/** A value that replaces the value of a widget. */
export interface Primitive {
  readonly kind: 'primitive';
  readonly value: Json;
}

/** A value of any other type, such as a video, a sound or a mesh. */
export interface Other {
  readonly kind: 'other';
  readonly type: string;
  /** Tells it from other values of its type; hexadecimal. */
  readonly mark: string;
}

export type NodeValue =
  | Images
  | Primitive
  | Model
  | Conditioning
  | Latent
  | Sampler
  | Sigmas
  | Noise
  | Guider
  | Clip
  | Opaque
  | Other;
export type NodeValueOf<K extends NodeValue['kind']> = Extract<NodeValue, { kind: K }>;
