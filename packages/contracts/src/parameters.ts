import Type, { type Static } from 'typebox';

/** Levels of detail, from a quick look to the finished picture. */
export const LODS = ['sketch', 'mid', 'final', 'direct_final'] as const;
export type Lod = (typeof LODS)[number];

/** What POST /generate and POST /img2img make a picture from; the workflow that each runs carries the same name. */
export const PICTURE_KINDS = ['text2img', 'img2img'] as const;
export type PictureKind = (typeof PICTURE_KINDS)[number];

/** Those two, and the jobs of every other workflow. */
export const JOB_KINDS = [...PICTURE_KINDS, 'workflow'] as const;
export type JobKind = (typeof JOB_KINDS)[number];

/** The bounds of a request's fields. Each is a setting of the same name (see packages/config). */
export interface RequestLimits {
  /** Characters in `prompt` and in `negative_prompt`. */
  readonly maxPromptChars: number;
  readonly maxSteps: number;
  readonly maxCfg: number;
  /** Pixels, width and height each. */
  readonly minSize: number;
  readonly maxSize: number;
  /** Pictures of one job (the batch size). */
  readonly maxCount: number;
  /** Pixels that all nodes of one job make, video frames included. */
  readonly maxJobPixels: number;
  /** Bytes of `metadata` written as JSON in UTF-8. */
  readonly maxMetadataBytes: number;
  /** Seconds that a job may wait for its start. */
  readonly maxQueuedSeconds: number;
}

/** Those of them that a workflow and a key can have of their own. */
export type GpuLimits = Pick<RequestLimits, 'maxSteps' | 'maxCfg' | 'maxSize' | 'maxCount' | 'maxJobPixels'>;

/** Widths and heights are multiples of this: one latent pixel is 8×8 picture pixels. */
export const SIZE_STEP = 8;

export const MIN_PRIORITY = -2;
export const MAX_PRIORITY = 2;

/** 2^64−1, the largest seed that ComfyUI accepts (recorded: `seed 2^64-1` is 200, `seed 2^64` is 400). */
export const MAX_SEED = 18446744073709551615n;

/**
 * Reads a seed as a caller may write it: a JSON number up to 2^53−1 or a decimal string up to 2^64−1. Answers the exact
 * value as a decimal string without leading zeros, or undefined for anything else (a larger JSON number was already
 * rounded by the JSON parser, so it cannot be trusted).
 */
export function parseSeed(value: number | string): string | undefined {
  if (typeof value === 'number') return Number.isSafeInteger(value) && value >= 0 ? String(value) : undefined;
  if (!/^\d{1,20}$/.test(value)) return undefined;
  const seed = BigInt(value);
  return seed <= MAX_SEED ? seed.toString() : undefined;
}

/** How a seed is written in JSON answers: a number while JavaScript holds it exactly, a decimal string above. */
export function presentSeed(seed: string): number | string {
  const number = Number(seed);
  return Number.isSafeInteger(number) ? number : seed;
}

/** Fields of POST /generate and /img2img that are inputs of their workflows. */
export const PICTURE_FIELDS = [
  'prompt',
  'negative_prompt',
  'steps',
  'cfg',
  'sampler',
  'scheduler',
  'seed',
  'width',
  'height',
  'count',
  'checkpoint',
  'denoise',
] as const;

/** The fields that a profile fills when a request leaves them out, but for denoise. */
export const OVERRIDES = ['steps', 'cfg', 'sampler', 'scheduler', 'width', 'height', 'checkpoint'] as const;
export type Override = (typeof OVERRIDES)[number];

/** What an input takes that is a file. */
export const FILE_KINDS = ['image', 'video', 'audio', 'file'] as const;
export type FileKind = (typeof FILE_KINDS)[number];

/** A file that an input names: content-addressed, kept in the inputs store under `name` and given to ComfyUI under it. */
export interface InputFile {
  /** `<64 hex digits>.<extension>`: SHA-256 of a normalised picture of img2img, BLAKE3 of an asset. */
  readonly name: string;
  readonly kind: FileKind;
  readonly bytes?: number;
  /** Pixels, of pictures. */
  readonly width?: number;
  readonly height?: number;
  /** The output of a job that it was taken from, if the caller named one. */
  readonly source?: string;
}

/** Seeds, which numbers cannot hold, are decimal digits. */
export type InputValue = string | number | boolean | InputFile | readonly (string | number | boolean)[];

/** Every input of a job's workflow with its final value: nothing is left for a worker to choose. */
export interface ResolvedRequest {
  /** The workflow's name; `graph` for a graph that is run once. */
  readonly workflow: string;
  /** SHA-256 of the workflow's source, in hex; empty in jobs of versions of the service that knew none. */
  readonly version: string;
  readonly lod: Lod;
  /** Nobody named a level: it runs as it was saved, and `lod` says only whose turn it is. */
  readonly asSaved?: true;
  /** By the API's name; those of text2img and img2img have all that POST /generate and /img2img know. */
  readonly inputs: Readonly<Record<string, InputValue>>;
  /** Names of the inputs that the caller gave instead of leaving them to the profile; a refining job keeps them. */
  readonly overrides?: readonly string[];
  /** Names of the inputs whose values decide which instances can run it; absent where that was not known. */
  readonly choices?: readonly string[];
  /** Of a graph that is run once: what such graphs that take alike have in common. */
  readonly shape?: string;
  /** Names of the outputs that the caller asked for; all by default. */
  readonly outputs?: readonly string[];
  readonly priority: number;
  readonly metadata: Readonly<Record<string, string>>;
  /** The key's longest execution; absent: it has none of its own. */
  readonly maxGpuSeconds?: number;
}

/** What jobs of the same graph have in common: the shape of a graph that is run once, else the workflow's version. */
export function graphOf({ workflow, version, shape }: ResolvedRequest): string {
  return shape ?? (version || workflow);
}

export function isInputFile(value: InputValue | undefined): value is InputFile {
  return typeof value === 'object' && 'name' in value;
}

/** The files that a request names, by their inputs. */
export function filesOf({ inputs }: Pick<ResolvedRequest, 'inputs'>): [input: string, file: InputFile][] {
  return Object.entries(inputs).flatMap(([input, value]) => (isInputFile(value) ? [[input, value]] : []));
}

const most = (minimum: number) => Type.Optional(Type.Integer({ minimum }));

/** What one job may ask of a GPU, as the keys file and inputs files write it. */
export const gpuLimitFields = {
  max_steps: most(1),
  max_size: most(SIZE_STEP),
  max_count: most(1),
  max_pixels: most(1),
};

/** Of an inputs file. */
export const workflowLimitsSchema = Type.Object(
  { ...gpuLimitFields, max_cfg: Type.Optional(Type.Number({ minimum: 0 })) },
  { additionalProperties: false },
);

export function readGpuLimits(written: Static<typeof workflowLimitsSchema>): Partial<GpuLimits> {
  const { max_steps, max_cfg, max_size, max_count, max_pixels } = written;
  return {
    ...(max_steps === undefined ? {} : { maxSteps: max_steps }),
    ...(max_cfg === undefined ? {} : { maxCfg: max_cfg }),
    ...(max_size === undefined ? {} : { maxSize: max_size }),
    ...(max_count === undefined ? {} : { maxCount: max_count }),
    ...(max_pixels === undefined ? {} : { maxJobPixels: max_pixels }),
  };
}
