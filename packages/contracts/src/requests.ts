import Type, { type Static } from 'typebox';
import { JOB_STATUSES } from './job-states.js';
import { JOB_KINDS, LODS, MAX_PRIORITY, MIN_PRIORITY, type RequestLimits, SIZE_STEP } from './parameters.js';
import { named } from './schema-parts.js';
import { WAIT_CODES } from './waiting-for.js';
import { webhookSchema, webhookUrlSchema } from './webhook.js';
import { VERSION_PATTERN } from './workflows.js';

/** Longest name of a sampler, scheduler or checkpoint; generous because custom nodes add their own. */
const MAX_NAME_CHARS = 255;

const name = (description: string) => Type.String({ minLength: 1, maxLength: MAX_NAME_CHARS, description });

/** Fields of every job request, whatever its workflow. */
function jobFields(limits: RequestLimits) {
  return {
    priority: Type.Optional(
      Type.Integer({
        minimum: MIN_PRIORITY,
        maximum: MAX_PRIORITY,
        default: 0,
        description: 'Higher goes first among your own jobs.',
      }),
    ),
    start_within_seconds: Type.Optional(
      Type.Integer({
        minimum: 1,
        maximum: limits.maxQueuedSeconds,
        description: 'Seconds after which the job expires if it has not started.',
      }),
    ),
    reuse: Type.Optional(
      Type.Boolean({
        default: false,
        description:
          'If an equal job of yours (same version, inputs, files and seeds), ordered with `reuse`, succeeded in the last ' +
          'week, this one gets its outputs and costs no GPU time. Jobs with a random seed are never equal.',
      }),
    ),
    metadata: Type.Optional(
      Type.Unsafe<Record<string, string>>({
        type: 'object',
        additionalProperties: { type: 'string' },
        description: 'Your own string pairs, returned with the job.',
      }),
    ),
    webhook: Type.Optional(webhookSchema),
    webhook_url: Type.Optional(webhookUrlSchema()),
  };
}

function sharedFields(limits: RequestLimits) {
  const size = (description: string) =>
    Type.Integer({ minimum: limits.minSize, maximum: limits.maxSize, multipleOf: SIZE_STEP, description });
  return {
    prompt: Type.String({ minLength: 1, maxLength: limits.maxPromptChars, description: 'What the picture shows.' }),
    negative_prompt: Type.Optional(
      Type.String({ maxLength: limits.maxPromptChars, description: 'What it must not show.' }),
    ),
    lod: Type.Optional(
      Type.Enum([...LODS], {
        default: 'mid',
        description: 'Level of detail; its profile sets the fields that you leave out.',
      }),
    ),
    steps: Type.Optional(Type.Integer({ minimum: 1, maximum: limits.maxSteps, description: 'Sampling steps.' })),
    cfg: Type.Optional(
      Type.Number({ minimum: 0, maximum: limits.maxCfg, description: 'Classifier-free guidance scale.' }),
    ),
    sampler: Type.Optional(name('Sampler, as ComfyUI names it (euler_ancestral, dpmpp_2m, …).')),
    scheduler: Type.Optional(name('Noise schedule, as ComfyUI names it (normal, karras, …).')),
    seed: Type.Optional(
      Type.Unsafe<number | string>({
        type: ['integer', 'string'],
        minimum: 0,
        maximum: Number.MAX_SAFE_INTEGER,
        pattern: '^[0-9]{1,20}$',
        description: '0 to 2^64−1: a number up to 2^53−1, a decimal string above. Random by default.',
      }),
    ),
    width: Type.Optional(size('Pixels, a multiple of 8.')),
    height: Type.Optional(size('Pixels, a multiple of 8.')),
    count: Type.Optional(
      Type.Integer({
        minimum: 1,
        maximum: limits.maxCount,
        default: 1,
        description: 'Number of pictures, made as one batch with one seed.',
      }),
    ),
    checkpoint: Type.Optional(name('Checkpoint file, as ComfyUI lists it.')),
    ...jobFields(limits),
  };
}

/** Body of `POST /generate`. */
export const generateRequestSchema = (limits: RequestLimits) =>
  named('GenerateRequest', sharedFields(limits), { additionalProperties: false });

/** Far more than a graph has for people to look at. */
const MAX_OUTPUTS = 100;
/** Longest key of comfy.org, in characters. */
export const MAX_COMFY_KEY_CHARS = 512;

/** Fields of every request of a workflow, besides its inputs. */
function workflowFields(limits: RequestLimits) {
  return {
    lod: Type.Optional(
      Type.Enum([...LODS], {
        description:
          'Level of detail; without it, the workflow runs as it was saved, except for the inputs that you set.',
      }),
    ),
    outputs: Type.Optional(
      Type.Array(name('Name of an output.'), {
        minItems: 1,
        maxItems: MAX_OUTPUTS,
        uniqueItems: true,
        description: 'The outputs that you want; all by default. Nodes that only other outputs need are not executed.',
      }),
    ),
    api_key_comfy_org: Type.Optional(
      Type.String({
        minLength: 1,
        maxLength: MAX_COMFY_KEY_CHARS,
        description: 'Your comfy.org key, for paid nodes. It is never shown, and deleted when the job ends.',
      }),
    ),
    ...jobFields(limits),
  };
}

const inputs = () =>
  Type.Optional(
    Type.Unsafe<Record<string, unknown>>({
      type: 'object',
      description: 'The inputs of the workflow by name, as GET /workflows/:name describes them.',
    }),
  );

const version = () =>
  Type.Optional(
    Type.String({
      pattern: VERSION_PATTERN,
      description:
        'A stored version instead of the newest one or, for keys with the scope admin, one that was only tried with ' +
        '`PUT /workflows/{name}?dry_run=try`.',
    }),
  );

/** Body of `POST /workflows/:name`; as a form it also has the files under the names of their inputs. */
export const runRequestSchema = (limits: RequestLimits) =>
  Type.Object({ inputs: inputs(), version: version(), ...workflowFields(limits) }, { additionalProperties: false });

/** The same without `inputs`: the fields that all workflows share. */
export const runOptionsSchema = (limits: RequestLimits) =>
  named('RunOptions', { version: version(), ...workflowFields(limits) });

/** Body of `POST /graphs`. */
export const graphRequestSchema = (limits: RequestLimits) => {
  const { lod: _itself, ...fields } = workflowFields(limits);
  return Type.Object(
    {
      graph: Type.Unsafe<Record<string, unknown>>({
        type: 'object',
        description: "A workflow in ComfyUI's API format, run once as it is.",
      }),
      ...fields,
    },
    { additionalProperties: false },
  );
};

const source = () =>
  Type.String({ minLength: 1, maxLength: MAX_NAME_CHARS, description: 'Name of a picture that this service made.' });

function img2imgFields(limits: RequestLimits) {
  return {
    ...sharedFields(limits),
    denoise: Type.Optional(
      Type.Number({
        minimum: 0,
        maximum: 1,
        description: 'How much of the picture changes: 0 keeps it, 1 replaces it.',
      }),
    ),
  };
}

/**
 * Body of `POST /img2img`; the picture is `image` (base64 or data URL), `image_url`, `source`, or a multipart file
 * `image`.
 */
export const img2imgRequestSchema = (limits: RequestLimits) =>
  named(
    'Img2ImgRequest',
    {
      ...img2imgFields(limits),
      image: Type.Optional(Type.String({ minLength: 1, description: 'The picture as base64 or as a data URL.' })),
      image_url: Type.Optional(
        Type.String({
          minLength: 1,
          maxLength: 2048,
          description: 'http(s) address of the picture, which is fetched at once.',
        }),
      ),
      source: Type.Optional(source()),
    },
    { additionalProperties: false },
  );

/** One job of `POST /jobs/batch`: as in `POST /generate`, or as in `POST /img2img` with a `source`. */
export const batchJobSchema = {
  text2img: (limits: RequestLimits) =>
    named(
      'BatchText2ImgJob',
      { kind: Type.Optional(Type.Literal('text2img')), ...sharedFields(limits) },
      { additionalProperties: false },
    ),
  img2img: (limits: RequestLimits) =>
    named(
      'BatchImg2ImgJob',
      { kind: Type.Literal('img2img'), ...img2imgFields(limits), source: source() },
      { additionalProperties: false },
    ),
};

/** One job of `POST /jobs/batch` as in `POST /workflows/:name`, or as in `POST /graphs`. */
export const batchWorkflowSchema = (limits: RequestLimits) =>
  Type.Object(
    {
      kind: Type.Literal('workflow'),
      workflow: name('Name of the workflow.'),
      inputs: inputs(),
      ...workflowFields(limits),
    },
    { additionalProperties: false },
  );
export const batchGraphSchema = (limits: RequestLimits) =>
  Type.Object(
    { kind: Type.Literal('graph'), ...graphRequestSchema(limits).properties },
    { additionalProperties: false },
  );

const batchEntrySchemas = (limits: RequestLimits) => [
  batchJobSchema.text2img(limits),
  batchJobSchema.img2img(limits),
  batchWorkflowSchema(limits),
  batchGraphSchema(limits),
];

/** Body of `POST /jobs/batch`. */
export const batchRequestSchema = (limits: RequestLimits, maxJobs: number) =>
  named(
    'BatchRequest',
    {
      jobs: Type.Array(Type.Union(batchEntrySchemas(limits)), {
        minItems: 1,
        maxItems: maxJobs,
      }),
    },
    { additionalProperties: false },
  );

/** Body of `POST /jobs/:id/refine`. */
export const refineRequestSchema = (limits: RequestLimits) =>
  named(
    'RefineRequest',
    {
      lod: Type.Enum([...LODS], { description: 'A higher level of detail: sketch, mid, final.' }),
      index: Type.Optional(
        Type.Integer({
          minimum: 0,
          maximum: limits.maxCount - 1,
          default: 0,
          description: 'Which picture of the job; 0 is the first.',
        }),
      ),
    },
    { additionalProperties: false },
  );

/** Query of `GET /jobs`; also takes `metadata.<key>=<value>`. */
export const jobListQuerySchema = Type.Object(
  {
    limit: Type.Optional(Type.Integer({ minimum: 1, maximum: 100, default: 20, description: 'Most jobs per page.' })),
    cursor: Type.Optional(Type.String({ format: 'uuid', description: 'next_cursor of the previous page.' })),
    status: Type.Optional(Type.Enum([...JOB_STATUSES])),
    lod: Type.Optional(Type.Enum([...LODS])),
    kind: Type.Optional(Type.Enum([...JOB_KINDS])),
    workflow: Type.Optional(name('Jobs of this workflow: its name, `text2img`, `img2img` or `graph`.')),
    parent: Type.Optional(
      Type.String({ format: 'uuid', description: 'Jobs that were made from this one, by refine or retry.' }),
    ),
    waiting_for: Type.Optional(Type.Enum([...WAIT_CODES], { description: 'Queued jobs that wait for this.' })),
    created_after: Type.Optional(Type.String({ format: 'date-time', description: 'Made after this time.' })),
    created_before: Type.Optional(Type.String({ format: 'date-time', description: 'Made before this time.' })),
  },
  { patternProperties: { '^metadata\\.': { type: 'string' } }, additionalProperties: false },
);

/** Query of `POST /jobs/:id/retry`. */
export const retryQuerySchema = Type.Object(
  {
    seed: Type.Optional(
      Type.String({
        pattern: '^(random|[0-9]{1,20})$',
        description: 'A new seed: digits, or `random`. Default: that of the job.',
      }),
    ),
  },
  { additionalProperties: false },
);

export type GenerateRequest = Static<ReturnType<typeof generateRequestSchema>>;
export type Img2ImgRequest = Static<ReturnType<typeof img2imgRequestSchema>>;
export type RefineRequest = Static<ReturnType<typeof refineRequestSchema>>;
export type JobListQuery = Static<typeof jobListQuerySchema>;
