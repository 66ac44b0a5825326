import Type, { type Static } from 'typebox';
import { FILE_KINDS, gpuLimitFields, MAX_PRIORITY, MIN_PRIORITY } from './parameters.js';
import { WEBHOOK_SECRET_PATTERN, webhookEventsSchema, webhookUrlSchema } from './webhook.js';

/**
 * The rights of a key. `jobs`: its own jobs; `admin`: the fleet, the workflows and the keys; `graphs`: its own graphs;
 * `models`: its own models, by URL.
 */
export const SCOPES = ['jobs', 'admin', 'graphs', 'models'] as const;
export type Scope = (typeof SCOPES)[number];

/** The caller when there are no keys. No key may have this id. */
export const ANONYMOUS = 'anonymous';

const MOST_SECRETS = 2;
const MAX_PATTERNS = 100;
const MAX_PATTERN_CHARS = 128;
const namePatterns = () =>
  Type.Array(Type.String({ minLength: 1, maxLength: MAX_PATTERN_CHARS }), { maxItems: MAX_PATTERNS });
const atLeast = (minimum: number) => Type.Optional(Type.Integer({ minimum }));

/** One entry of API_KEYS_FILE. It has only the SHA-256 of the key. */
export const apiKeySchema = Type.Object(
  {
    id: Type.String({ pattern: '^[a-z0-9][a-z0-9_-]{0,63}$', not: { const: ANONYMOUS } }),
    sha256: Type.String({ pattern: '^[0-9a-f]{64}$' }),
    scopes: Type.Array(Type.Enum([...SCOPES], { type: 'string' }), { minItems: 1, uniqueItems: true }),
    created_at: Type.Optional(Type.String()),
    /** Absent limits have the default of the setting KEY_…. */
    limits: Type.Optional(
      Type.Object(
        {
          requests_per_minute: atLeast(1),
          jobs_waiting: atLeast(1),
          jobs_running: atLeast(1),
          upload_bytes_per_day: atLeast(0),
          /** GPU time in a day (UTC); no limit by default. */
          max_gpu_seconds_per_day: atLeast(0),
          /** Longest execution of one job; no limit by default. */
          max_gpu_seconds: atLeast(1),
          ...gpuLimitFields,
        },
        { additionalProperties: false },
      ),
    ),
    /** Its share of GPU time relative to other keys with waiting jobs; 1 by default. */
    weight: Type.Optional(Type.Number({ minimum: 0.01, maximum: 100 })),
    /** The workflows that it may run, all by default; `*` stands for any characters. */
    workflows: Type.Optional(namePatterns()),
    /** Further node classes for its own graphs, besides the reviewed ones and those of ALLOWED_NODES_FILE. */
    allow_nodes: Type.Optional(namePatterns()),
    /** Node classes forbidden in its own graphs, whatever else allows them. */
    deny_nodes: Type.Optional(namePatterns()),
    /** The highest priority of its jobs; higher requests are lowered to it. */
    max_priority: Type.Optional(Type.Integer({ minimum: MIN_PRIORITY, maximum: MAX_PRIORITY })),
    /**
     * `url` and `events` apply to jobs without a webhook; `secrets` sign all webhooks of the key, two while rotating.
     */
    webhook: Type.Optional(
      Type.Object(
        {
          url: Type.Optional(webhookUrlSchema()),
          events: Type.Optional(webhookEventsSchema()),
          secrets: Type.Optional(
            Type.Array(Type.String({ pattern: WEBHOOK_SECRET_PATTERN }), { minItems: 1, maxItems: MOST_SECRETS }),
          ),
        },
        { additionalProperties: false },
      ),
    ),
  },
  { additionalProperties: false },
);

export const apiKeysFileSchema = Type.Object({ keys: Type.Array(apiKeySchema) }, { additionalProperties: false });

export type ApiKey = Static<typeof apiKeySchema>;

/** Whether the key belongs to a tenant that may send graphs. Admin keys may do anything anyway. */
export function sendsGraphs({ scopes }: Pick<ApiKey, 'scopes'>): boolean {
  return scopes.includes('graphs') && !scopes.includes('admin');
}
export type ApiKeysFile = Static<typeof apiKeysFileSchema>;

/**
 * Inputs of a node class by name, where `*` stands for any characters: inputs that open a file, with the kind of file,
 * and as `link` inputs that take links although ComfyUI's /object_info does not list them.
 */
const inputsSchema = Type.Record(Type.String({ minLength: 1 }), Type.Enum([...FILE_KINDS, 'link']));

/** The content of ALLOWED_NODES_FILE: node classes that API keys may use besides the reviewed ones. */
export const allowedNodesSchema = Type.Object(
  {
    classes: Type.Optional(Type.Record(Type.String({ minLength: 1 }), inputsSchema)),
    /** By the `python_module` in /object_info, or its beginning up to a dot. */
    packs: Type.Optional(Type.Record(Type.String({ minLength: 1 }), inputsSchema)),
  },
  { additionalProperties: false },
);

export type AllowedNodes = Static<typeof allowedNodesSchema>;
export type AllowedInputs = Static<typeof inputsSchema>;
