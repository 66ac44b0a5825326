import Type, { type Static } from 'typebox';
import { POOL_PATTERN } from './fleet.js';
import { named, nullable, time } from './schema-parts.js';

/** ComfyUI's folders of models, as folder_paths.py names them. */
export const MODEL_KINDS = [
  'checkpoints',
  'diffusion_models',
  'loras',
  'vae',
  'text_encoders',
  'clip_vision',
  'controlnet',
  'upscale_models',
  'latent_upscale_models',
  'style_models',
  'embeddings',
  'hypernetworks',
  'gligen',
  'photomaker',
  'model_patches',
  'audio_encoders',
] as const;
export type ModelKind = (typeof MODEL_KINDS)[number];

/** Models that callers name by a URL are below this folder; operators cannot register any there. */
export const MODEL_URL_FOLDER = 'url/';

/** A registered model as it is kept in Redis. Times are in ms since 1970. */
export interface ModelRecord {
  readonly kind: ModelKind;
  /** As loaders see it; it may have subfolders: `sdxl/detail-v2.safetensors`. */
  readonly name: string;
  /** Where it can be downloaded, in order; never with credentials. */
  readonly sources: readonly string[];
  /** Null until a source or the first fetch has told it; from then on it is pinned. */
  readonly sha256: string | null;
  readonly bytes: number | null;
  /** The API keys that may use it; null: all of them. */
  readonly keys: readonly string[] | null;
  /** Pools whose hosts always keep it. */
  readonly pinned_in: readonly string[];
  /** Registered by the URL of a caller; then only its key may use it. */
  readonly by_url: boolean;
  readonly created_at: number;
  /** When somebody last asked to fetch it without a job, and for which pools; null: for all. */
  readonly fetch_asked_at: number | null;
  readonly fetch_pools: readonly string[] | null;
  /** When somebody last asked to verify all copies. */
  readonly verify_asked_at: number | null;
  /** When a request last named it by its URL. */
  readonly named_at: number | null;
  /** It is no longer registered, but while hosts may still have the file, no key may use it. */
  readonly deleted_at?: number;
}

/** Names a model in Redis: `loras/sdxl/detail-v2.safetensors`. */
export function modelId({ kind, name }: Pick<ModelRecord, 'kind' | 'name'>): string {
  return `${kind}/${name}`;
}

/** `evicting`: the file is still there, but no new job may use it. */
export const MODEL_COPY_STATES = ['ready', 'fetching', 'failed', 'evicting'] as const;

/** What a model folder has of a model. Times are in ms since 1970. */
export interface ModelCopy {
  readonly state: (typeof MODEL_COPY_STATES)[number];
  readonly bytes: number;
  readonly fetched: number;
  readonly used_at: number;
  /** The fleet fetched it, so it may be evicted. */
  readonly is_ours: boolean;
  readonly started_at?: number;
  /** Bytes since `started_at`; earlier fetches may have brought others. */
  readonly arrived?: number;
  readonly fetched_at?: number;
  readonly verified_at?: number;
  readonly error?: {
    readonly code: ModelFaultCode;
    readonly detail: string;
    readonly at: number;
    /** Not fetched again before. */
    readonly retry_at?: number;
  };
}

/** What one worker says about a model folder that its instances use. */
export interface ModelFolderUser {
  readonly worker: string;
  readonly instances: readonly string[];
  readonly pools: readonly string[];
}

/** A model folder, as the worker that manages it announces it. Instances on one host share one. */
export interface ModelFolder {
  /** The random id in its file `.comfy-fleet/id`. */
  readonly id: string;
  readonly worker: string;
  /** Those of all workers whose instances use the folder. */
  readonly instances: readonly string[];
  readonly pools: readonly string[];
  /** Where other hosts fetch its models. */
  readonly peer_url: string | null;
  readonly max_bytes: number;
  readonly used_bytes: number;
  /** Learned from its fetches; 0 while unknown. */
  readonly bytes_per_second: number;
  readonly seen_at: number;
}

/** Why a model cannot be fetched, or cannot be used once it is; in words, for people. */
export const MODEL_FAULTS = {
  not_reachable: 'The source cannot be reached.',
  refused_by_source: 'The source refuses the request.',
  source_failed: 'The source answers with an error.',
  no_credentials: 'The source requires credentials, and MODEL_CREDENTIALS_FILE has none for it.',
  address_not_allowed: 'The address of the source is not allowed.',
  not_a_model: 'The source answered with something that is not a model file.',
  pickle: 'The file is a pickle, which can run code, and ALLOW_PICKLE_MODELS is not set.',
  truncated: 'The file is incomplete.',
  wrong_size: 'The file has another size than registered.',
  wrong_hash: 'The file has another SHA-256 than registered.',
  too_large: 'The file is larger than allowed.',
  no_space: 'There is no disk space for the file, and nothing may be evicted.',
  disk_failed: 'The file could not be written to the disk.',
  not_listed: 'ComfyUI does not list the file.',
} as const satisfies Record<string, string>;
export type ModelFaultCode = keyof typeof MODEL_FAULTS;

/** The pools that something is asked for. */
const pools = (description: string) =>
  Type.Array(Type.String({ pattern: POOL_PATTERN }), { uniqueItems: true, maxItems: 100, description });

/**
 * A relative path of a model file, of at most 200 characters. No part of it begins with a dot, so that it stays in its folder and out of the
 * fleet's own.
 */
export const MODEL_NAME_PATTERN =
  '^(?=.{1,200}$)(?:[^./\\\\:*?"<>|\\u0000-\\u001f\\u007f][^/\\\\:*?"<>|\\u0000-\\u001f\\u007f]*/)*' +
  '[^./\\\\:*?"<>|\\u0000-\\u001f\\u007f][^/\\\\:*?"<>|\\u0000-\\u001f\\u007f]*' +
  '\\.(?:safetensors|sft|gguf|ckpt|pt|pt2|pth|bin|pkl)$';

/** The forms of a source. A URL must not have a user name or a password. */
export const MODEL_SOURCE_PATTERN =
  '^(?:https?://[^\\s/@]+(?:/[^\\s]*)?|hf:[^\\s/@]+/[^\\s/@]+/[^\\s@]+(?:@[^\\s@]+)?|civitai:\\d{1,12}|s3://[^\\s/@]+/[^\\s]+)$';
const SHA256_PATTERN = '^[0-9a-f]{64}$';

/** The body of `PUT /models/:kind/:name`. Of a registered model, absent fields keep their values. */
export const modelRequestSchema = named(
  'ModelRequest',
  {
    sources: Type.Array(Type.String({ pattern: MODEL_SOURCE_PATTERN, maxLength: 2048 }), {
      minItems: 1,
      maxItems: 10,
      description:
        'Where it can be downloaded, tried in this order: `https://…`, `hf:owner/repo/path@revision`, ' +
        '`civitai:<version id>` or `s3://bucket/key`. Credentials are in MODEL_CREDENTIALS_FILE.',
    }),
    sha256: Type.Optional(
      nullable(
        Type.String({ pattern: SHA256_PATTERN }),
        'Its SHA-256 in hex. If it is not known, that of the first fetch is kept; null forgets the one that is kept.',
      ),
    ),
    bytes: Type.Optional(nullable(Type.Integer({ minimum: 1 }), 'Its size; as `sha256`.')),
    keys: Type.Optional(
      nullable(
        Type.Array(Type.String({ minLength: 1, maxLength: 64 }), { uniqueItems: true, maxItems: 1000 }),
        'The ids of the API keys that may use it. For all others it does not exist. Null: all may use it.',
      ),
    ),
    pinned_in: Type.Optional(pools('Pools whose hosts always keep it.')),
  },
  { additionalProperties: false },
);

/** The body of `POST /models/:kind/:name/fetch`. */
export const fetchModelSchema = Type.Object(
  { pools: Type.Optional(pools('The pools whose hosts fetch it; all by default.')) },
  { additionalProperties: false },
);

const modelCopySchema = named('ModelCopy', {
  folder: Type.Optional(Type.String({ description: 'Id of the model folder. Only for operators.' })),
  worker: Type.Optional(Type.String({ description: 'The worker that manages the folder. Only for operators.' })),
  instances: Type.Array(Type.String(), { description: 'The instances that use the folder.' }),
  state: Type.Enum([...MODEL_COPY_STATES]),
  bytes: Type.Integer({ description: 'The size of the file.' }),
  fetched: Type.Integer({ description: 'How many bytes of it are there.' }),
  eta_seconds: nullable(Type.Integer(), 'When the fetch is expected to end; null if it is not known.'),
  is_ours: Type.Boolean({ description: 'Whether the fleet fetched it, and so may evict it.' }),
  verified_at: nullable(time(), 'When its SHA-256 was last checked.'),
  error: nullable(
    Type.Object({
      code: Type.Enum(Object.keys(MODEL_FAULTS) as ModelFaultCode[]),
      detail: Type.String(),
      at: time(),
    }),
    'Why the last fetch failed.',
  ),
});

/** A registered model, as the API shows it. */
export const modelSchema = named('Model', {
  kind: Type.Enum([...MODEL_KINDS]),
  name: Type.String(),
  bytes: nullable(Type.Integer(), 'Its size; null while it is unknown.'),
  sha256: nullable(Type.String(), 'Its SHA-256 in hex; null while it is unknown.'),
  by_url: Type.Boolean({ description: 'Whether a request named it by a URL.' }),
  created_at: time(),
  used_at: nullable(time(), 'When a job last used a copy; null if none did.'),
  jobs_waiting: Type.Integer({ description: 'Waiting jobs that need it: your own; for operators those of all keys.' }),
  sources: Type.Optional(Type.Array(Type.String(), { description: 'Only for operators.' })),
  keys: Type.Optional(nullable(Type.Array(Type.String()), 'The API keys that may use it. Only for operators.')),
  pinned_in: Type.Optional(Type.Array(Type.String(), { description: 'Only for operators.' })),
  copies: Type.Array(modelCopySchema, { description: 'The copies in the model folders.' }),
});

const modelFolderSchema = named('ModelFolder', {
  id: Type.String(),
  worker: Type.String({ description: 'The worker that manages it.' }),
  instances: Type.Array(Type.String()),
  pools: Type.Array(Type.String()),
  max_bytes: Type.Integer(),
  used_bytes: Type.Integer(),
  bytes_per_second: nullable(Type.Number(), 'Learned from its fetches; null while unknown.'),
  seen_at: time(),
});

/** The answer to `GET /models`: every model that the caller may use. */
export const modelListSchema = named('ModelList', {
  data: Type.Array(modelSchema),
  folders: Type.Array(modelFolderSchema, { description: 'The model folders of all hosts. Only for operators.' }),
});

export type ModelRequest = Static<typeof modelRequestSchema>;
export type ModelAnswer = Static<typeof modelSchema>;
export type ModelCopyAnswer = Static<typeof modelCopySchema>;
export type ModelFolderAnswer = Static<typeof modelFolderSchema>;
export type ModelList = Static<typeof modelListSchema>;
