import type { Json } from '../python.js';

/** Pixels: RGB, 8 bits, row by row, one buffer for each picture of the batch. */
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
  /** The model with its LoRAs, and sampler and scheduler: another of them, another hand. */
  readonly style: string;
}

/** What a latent holds, as the story of how it came to be: it is drawn when somebody decodes it. */
export type LatentContent =
  | { readonly kind: 'empty' }
  | { readonly kind: 'pixels'; readonly images: Images }
  | { readonly kind: 'painted'; readonly under: LatentContent; readonly painting: Painting };

/** Sizes in pixels of the decoded picture. */
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

/** Things that are passed on and never looked into. */
export interface Opaque {
  readonly kind: 'clip' | 'vae' | 'controlnet' | 'mask';
}

/** A number or text that takes the place of a widget's. */
export interface Primitive {
  readonly kind: 'primitive';
  readonly value: Json;
}

/** A video, a sound, a mesh and whatever else has a type: known only by what tells it from others of its type. */
export interface Other {
  readonly kind: 'other';
  readonly type: string;
  /** Hexadecimal. */
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
  | Opaque
  | Other;
export type NodeValueOf<K extends NodeValue['kind']> = Extract<NodeValue, { kind: K }>;
