import Type, { type Static } from 'typebox';
import { named } from './schema-parts.js';

/** Levels of detail, from a quick sketch to the finished picture. */
export const LODS = ['sketch', 'mid', 'final', 'direct_final'] as const;
export type Lod = (typeof LODS)[number];

/** The kinds of jobs of POST /generate and POST /img2img; their workflows have the same names. */
export const PICTURE_KINDS = ['text2img', 'img2img'] as const;
export type PictureKind = (typeof PICTURE_KINDS)[number];

/** These two, and the jobs of all other workflows. */
export const JOB_KINDS = [...PICTURE_KINDS, 'workflow'] as const;
export type JobKind = (typeof JOB_KINDS)[number];

/** The bounds of request fields. Each is a setting of the same name (see packages/config). */
export interface RequestLimits {
  /** Characters in `prompt` and in `negative_prompt`. */
  readonly maxPromptChars: number;
  readonly maxSteps: number;
  readonly maxCfg: number;
  /** Pixels of width and height. */
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

/** The limits that a workflow and a key may also set. */
export type GpuLimits = Pick<RequestLimits, 'maxSteps' | 'maxCfg' | 'maxSize' | 'maxCount' | 'maxJobPixels'>;

/** Widths and heights are multiples of this: one latent pixel is 8×8 picture pixels. */
export const SIZE_STEP = 8;

export const MIN_PRIORITY = -2;
export const MAX_PRIORITY = 2;

/** 2^64−1, the largest seed that ComfyUI accepts (recorded: `seed 2^64-1` is 200, `seed 2^64` is 400). */
export const MAX_SEED = 18446744073709551615n;

/**
 * Parses a caller's seed: a JSON number up to 2^53−1 or a decimal string up to 2^64−1. Answers the exact value as a
 * decimal string without leading zeros, or undefined for anything else (the JSON parser has already rounded larger
 * numbers).
 */
export function parseSeed(value: number | string): string | undefined {
  if (typeof value === 'number') return Number.isSafeInteger(value) && value >= 0 ? String(value) : undefined;
  if (!/^\d{1,20}$/.test(value)) return undefined;
  const seed = BigInt(value);
  return seed <= MAX_SEED ? seed.toString() : undefined;
}

/** The seed in JSON answers: a number if JavaScript represents it exactly, else a decimal string. */
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

/** The fields that a profile sets when a request omits them, except denoise. */
export const OVERRIDES = ['steps', 'cfg', 'sampler', 'scheduler', 'width', 'height', 'checkpoint'] as const;
export type Override = (typeof OVERRIDES)[number];

/** The kinds of files that inputs take. */
export const FILE_KINDS = ['image', 'video', 'audio', 'file'] as const;
export type FileKind = (typeof FILE_KINDS)[number];

/** An input file. The store and ComfyUI have it under `name`, which derives from its content. */
export interface InputFile {
  /** `<64 hex digits>.<extension>`: SHA-256 of a normalised picture of img2img, BLAKE3 of an asset, or for a copy derived from it. */
  readonly name: string;
  readonly kind: FileKind;
  readonly bytes?: number;
  /** Pixels of a picture. */
  readonly width?: number;
  readonly height?: number;
  /** The job output that it came from, if the caller named one. */
  readonly source?: string;
  /** If the service wrote this file: the name of the caller's video or sound, which it copied. */
  readonly copyOf?: string;
}

/** Seeds are decimal digits, because numbers cannot represent them all. */
export type InputValue = string | number | boolean | InputFile | readonly (string | number | boolean)[];

/** Every input of a job's workflow with its final value; a worker chooses nothing. */
export interface ResolvedRequest {
  /** The workflow's name; `graph` for a graph that is run once. */
  readonly workflow: string;
  /** SHA-256 of the workflow's source in hex; empty in jobs of old versions of the service. */
  readonly version: string;
  readonly lod: Lod;
  /**
   * The request has no level of detail: the workflow runs as saved, and `lod` only determines its rank in the queue.
   */
  readonly asSaved?: true;
  /** By their names in the API. For text2img and img2img these are all fields of POST /generate and /img2img. */
  readonly inputs: Readonly<Record<string, InputValue>>;
  /** Names of the inputs that the caller set instead of the profile; a refining job keeps them. */
  readonly overrides?: readonly string[];
  /** Names of the inputs whose values determine which instances can run it; absent if unknown. */
  readonly choices?: readonly string[];
  /** For a graph that is run once: equal for graphs that take equally long. */
  readonly shape?: string;
  /** Names of the requested outputs; all by default. */
  readonly outputs?: readonly string[];
  readonly priority: number;
  readonly metadata: Readonly<Record<string, string>>;
  /** The longest execution for the key; absent if it has no limit of its own. */
  readonly maxGpuSeconds?: number;
  /** Names of model files that do not exist for the key, although instances may have them. */
  readonly denied?: readonly string[];
  /** Pixels that take as much memory as the results of all nodes that ComfyUI executes. */
  readonly keptPixels?: number;
  /** By node, the bounds within which the results of formulas in a caller's own graph must stay. */
  readonly bounds?: Readonly<Record<string, { readonly least: number; readonly most: number }>>;
}

/** Equal for jobs of the same graph: the shape of a graph that is run once, else the workflow's version. */
export function graphOf({ workflow, version, shape }: ResolvedRequest): string {
  return shape ?? (version || workflow);
}

/** The name of a file that callers know. */
export function knownName({ name, copyOf }: InputFile): string {
  return copyOf ?? name;
}

export function isInputFile(value: InputValue | undefined): value is InputFile {
  return typeof value === 'object' && 'name' in value;
}

/** The files of a request, by input. */
export function filesOf({ inputs }: Pick<ResolvedRequest, 'inputs'>): [input: string, file: InputFile][] {
  return Object.entries(inputs).filter((entry): entry is [string, InputFile] => isInputFile(entry[1]));
}

const lodProfileSchema = named('LodProfile', {
  lod: Type.Enum([...LODS]),
  description: Type.String(),
  steps: Type.Integer(),
  cfg: Type.Number(),
  sampler: Type.String(),
  scheduler: Type.String(),
  scale: Type.Number({ description: "Factor for the template's width and height." }),
  denoise: Type.Number({ description: 'How much of an input picture changes; only for img2img.' }),
  deadline_seconds: Type.Integer({ description: 'An execution that takes longer is interrupted.' }),
  pool: Type.Optional(Type.String({ description: 'The pool that runs it, if it is not the default one.' })),
});

/** The levels of detail, quickest first, as `GET /lods` answers them. */
export const lodListSchema = named('LodList', {
  default: Type.Enum([...LODS], { description: 'The level of requests that name none.' }),
  data: Type.Array(lodProfileSchema),
});

export type LodList = Static<typeof lodListSchema>;

const most = (minimum: number) => Type.Optional(Type.Integer({ minimum }));

/** What one job may demand of a GPU, in the keys file and in inputs files. */
export const gpuLimitFields = {
  max_steps: most(1),
  max_size: most(SIZE_STEP),
  max_count: most(1),
  max_pixels: most(1),
};

/** The limits of an inputs file. */
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

/** Divides all usual sample rates, such as 11,025 and 48,000. Resampling others takes gigabytes. */
const RATE_STEP = 25;
const MAX_RATE = 192_000;

export function isUsualRate(rate: number): boolean {
  return rate % RATE_STEP === 0 && rate <= MAX_RATE;
}
