import Type, { type Static } from 'typebox';
import { gpuLimitFields, MAX_PRIORITY, MIN_PRIORITY } from './parameters.js';
import { WEBHOOK_SECRET_PATTERN, webhookEventsSchema, webhookUrlSchema } from './webhook.js';

/** What a key may do: make and see its own jobs; see the fleet and publish workflows; run graphs of its own. */
export const SCOPES = ['jobs', 'admin', 'graphs'] as const;
export type Scope = (typeof SCOPES)[number];

/** The caller when there are no keys. No key may have this id. */
export const ANONYMOUS = 'anonymous';

const MOST_SECRETS = 2;
const MAX_PATTERNS = 100;
const MAX_PATTERN_CHARS = 128;
const namePatterns = () =>
  Type.Array(Type.String({ minLength: 1, maxLength: MAX_PATTERN_CHARS }), { maxItems: MAX_PATTERNS });
const atLeast = (minimum: number) => Type.Optional(Type.Integer({ minimum }));

/** One entry of the file that API_KEYS_FILE names. The key itself is nowhere: only its SHA-256. */
export const apiKeySchema = Type.Object(
  {
    id: Type.String({ pattern: '^[a-z0-9][a-z0-9_-]{0,63}$', not: { const: ANONYMOUS } }),
    sha256: Type.String({ pattern: '^[0-9a-f]{64}$' }),
    scopes: Type.Array(Type.Enum([...SCOPES]), { minItems: 1, uniqueItems: true }),
    created_at: Type.Optional(Type.String()),
    /** What is absent has the default of the setting KEY_…. */
    limits: Type.Optional(
      Type.Object(
        {
          requests_per_minute: atLeast(1),
          jobs_waiting: atLeast(1),
          jobs_running: atLeast(1),
          upload_bytes_per_day: atLeast(0),
          /** Of GPUs at work for it; none unless said. */
          max_gpu_seconds_per_day: atLeast(0),
          /** Of one job; none unless said. */
          max_gpu_seconds: atLeast(1),
          ...gpuLimitFields,
        },
        { additionalProperties: false },
      ),
    ),
    /** How much GPU time it gets of what keys with waiting jobs share, 1 unless said. */
    weight: Type.Optional(Type.Number({ minimum: 0.01, maximum: 100 })),
    /** The workflows that it may run, all unless said; a `*` stands for any characters. */
    workflows: Type.Optional(namePatterns()),
    /** Node classes that its own graphs may have besides the reviewed ones and those of ALLOWED_NODES_FILE. */
    allow_nodes: Type.Optional(namePatterns()),
    /** Node classes that its own graphs may not have, whatever else allows them. */
    deny_nodes: Type.Optional(namePatterns()),
    /** The highest priority it may ask for; a higher one is lowered to it. */
    max_priority: Type.Optional(Type.Integer({ minimum: MIN_PRIORITY, maximum: MAX_PRIORITY })),
    /** ComfyUI's API shows the prompts of each client as ended in the order in which they were sent. */
    in_order: Type.Optional(Type.Boolean()),
    /** For jobs that name no webhook (url, events), and the secrets that sign all of the key's; two while rotating. */
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
