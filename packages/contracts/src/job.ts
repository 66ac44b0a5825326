import type { Static } from 'typebox';
import Type from 'typebox';
import { v4, v7 } from 'uuid';
import { JOB_STATUSES } from './job-states.js';
import { FILE_KINDS, JOB_KINDS, LODS } from './parameters.js';
import { named, nullable, time } from './schema-parts.js';
import { waitingForSchema } from './waiting-for.js';

/** A UUIDv7 in canonical lower-case form: sortable by creation time, and a prompt id that every ComfyUI accepts. */
export function newId(): string {
  return v7();
}

const HINT_ID = /^.{14}8e0a-8/;

/**
 * The prompt id of a hint, which encodes texts of several jobs and belongs to none of them: a UUID of version 8, so that
 * every process recognizes it.
 */
export function newHintId(): string {
  const id = v4();
  return `${id.slice(0, 14)}8e0a-8${id.slice(20)}`;
}

export function isHintId(promptId: string): boolean {
  return isId(promptId) && HINT_ID.test(promptId);
}

const CANONICAL_UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;

/** Whether it is a canonical lower-case UUID, the only form of ids in requests and responses. */
export function isId(text: string): boolean {
  return CANONICAL_UUID.test(text);
}

/**
 * The origin of a node that another node inserted while it ran (`{"expand": …}`): ids of the node that ComfyUI displays
 * for it, of the node that inserted it, and of the original node in the graph.
 */
export interface ExpandedFrom {
  readonly display: string;
  readonly parent: string;
  readonly real: string;
}

const seed = () => Type.Union([Type.Integer(), Type.String()]);

const fileFields = {
  content_type: Type.String({ description: 'Content type of the file.' }),
  bytes: Type.Integer({ description: 'Size of the file.' }),
  sha256: Type.String({ description: 'SHA-256 of the file in hexadecimal, which is also its ETag.' }),
};

const jobImageSchema = named('JobImage', {
  image_url: Type.String({
    description:
      'URL of the picture. If the service has keys, it is signed: anyone who has it can open it until it expires.',
  }),
  width: Type.Integer({ description: 'In pixels.' }),
  height: Type.Integer({ description: 'In pixels.' }),
  seed: nullable(seed(), 'A number up to 2^53−1, a decimal string above.'),
  ...fileFields,
});

export const OUTPUT_KINDS = ['image', 'animation', 'video', 'audio', 'model', 'text', 'latent', 'file'] as const;
export type OutputKind = (typeof OUTPUT_KINDS)[number];

const jobOutputSchema = named('JobOutput', {
  name: Type.String({ description: 'Name of the output in the workflow. All files of one node share it.' }),
  node_id: Type.String({ description: 'Id of the node that made it.' }),
  kind: Type.Enum([...OUTPUT_KINDS], {
    description: 'Determined from the bytes of the file, or else from its extension.',
  }),
  url: Type.String({
    description:
      'URL of the file. If the service has keys, it is signed: anyone who has it can open it until it expires.',
  }),
  filename: Type.String({ description: 'Name that ComfyUI gave the file.' }),
  ...fileFields,
  width: Type.Optional(Type.Integer({ description: 'In pixels, where known.' })),
  height: Type.Optional(Type.Integer({ description: 'In pixels, where known.' })),
  duration_seconds: Type.Optional(Type.Number({ description: 'Length of a video or sound, if the file states it.' })),
  text: Type.Optional(
    Type.String({ description: 'The text itself. Absent if all texts of the job together exceed 64 KiB.' }),
  ),
});

const jobProgressSchema = named('JobProgress', {
  fraction: Type.Number({ description: '0 to 1 over the whole workflow.' }),
  step: nullable(Type.Integer(), 'Current step of the executing node; null if it has none.'),
  steps: nullable(Type.Integer(), 'Number of steps of the executing node; null if it has none.'),
  node: nullable(Type.String(), 'Title of the executing node.'),
});

/** The job that this one repeats or refines. */
const parentJobSchema = named('ParentJob', { id: Type.String(), relation: Type.Enum(['retry', 'refine']) });

const jobErrorSchema = named('JobError', {
  code: Type.String(),
  title: Type.String(),
  detail: Type.String(),
  retryable: Type.Boolean(),
  node_id: nullable(Type.String()),
});

const jobTimingsSchema = Type.Object({
  nodes: Type.Array(
    Type.Object({
      node_id: Type.String(),
      title: Type.String(),
      class_type: Type.String(),
      /** Null when the node was cached or its time is unknown. */
      ms: nullable(Type.Integer()),
      steps: nullable(Type.Integer()),
      /** ComfyUI had its result already. */
      cached: Type.Boolean(),
    }),
  ),
  /** How much of that time went into loading models; null if none. */
  model_load_ms: nullable(Type.Integer()),
  /** How long the prompt took that encoded its texts and those of other jobs ahead; absent if there was none. */
  encode_ahead_ms: Type.Optional(Type.Integer()),
});

const presentFileSchema = Type.Object({
  name: Type.String(),
  kind: Type.Enum([...FILE_KINDS]),
  width: Type.Optional(Type.Integer()),
  height: Type.Optional(Type.Integer()),
  source: Type.Optional(Type.String()),
});

const lod = (description?: string) => nullable(Type.Enum([...LODS]), description);

const inRequest = (more = '') => `As in \`request\`; null if the workflow has no such input.${more}`;

/** The flat fields are those of text2img and img2img. */
const jobRequestSchema = named('JobParameters', {
  workflow: Type.String(),
  /** SHA-256 of the workflow's source: the job runs this version even if the workflow changes. */
  version: Type.String(),
  prompt: Type.Optional(Type.String()),
  negative_prompt: Type.Optional(Type.String()),
  lod: lod(),
  steps: Type.Optional(Type.Integer()),
  cfg: Type.Optional(Type.Number()),
  sampler: Type.Optional(Type.String()),
  scheduler: Type.Optional(Type.String()),
  seed: Type.Optional(seed()),
  width: Type.Optional(Type.Integer()),
  height: Type.Optional(Type.Integer()),
  count: Type.Optional(Type.Integer()),
  checkpoint: Type.Optional(Type.String()),
  denoise: Type.Optional(Type.Number()),
  priority: Type.Integer(),
  /** Only for img2img: the normalised input picture. */
  image: Type.Optional(
    Type.Object({
      sha256: Type.String(),
      width: Type.Integer(),
      height: Type.Integer(),
      source: Type.Optional(Type.String()),
    }),
  ),
  /** The inputs of every other workflow, by name. */
  inputs: Type.Optional(
    Type.Record(
      Type.String(),
      Type.Union([
        Type.String(),
        Type.Number(),
        Type.Boolean(),
        presentFileSchema,
        Type.Array(Type.Union([Type.String(), Type.Number(), Type.Boolean()])),
      ]),
    ),
  ),
  /** The requested outputs; absent if all are made. */
  outputs: Type.Optional(Type.Array(Type.String())),
});

/** A job as `GET /jobs/:id` answers it. */
export const jobSchema = named('Job', {
  id: Type.String({ description: 'A UUID. Ids sort by the time of creation.' }),
  kind: Type.Enum([...JOB_KINDS], {
    description: 'Whether it was ordered as `text2img`, as `img2img`, or as any other workflow or graph.',
  }),
  lod: lod('Level of detail; null if a workflow or graph runs as it was saved.'),
  status: Type.Enum([...JOB_STATUSES], {
    description: 'A job ends as succeeded, failed, canceled or expired. Its status never changes after that.',
  }),
  created_at: time('When the job was accepted.'),
  started_at: nullable(time(), 'When its execution began; null until then.'),
  finished_at: nullable(time(), 'When it ended; null until then.'),
  start_deadline: time('A job that is still queued at this time expires.'),
  progress: jobProgressSchema,
  queue_position: nullable(Type.Integer(), 'Estimated number of jobs that run before it; null unless it is waiting.'),
  eta_seconds: nullable(Type.Integer(), 'Estimated seconds until it ends; null if unknown.'),
  waiting_for: nullable(waitingForSchema, 'What it is waiting for; null unless it is queued.'),
  request: jobRequestSchema,
  outputs: Type.Array(jobOutputSchema, {
    description:
      'Every file, text and value that the job made, including its pictures, once it has ended. A failed job lists the ' +
      'outputs of the nodes that had finished.',
  }),
  images: Type.Array(jobImageSchema, { description: 'The pictures among its outputs.' }),
  image_url: nullable(Type.String(), 'URL of the first picture.'),
  steps: nullable(Type.Integer(), inRequest()),
  cfg: nullable(Type.Number(), inRequest()),
  sampler: nullable(Type.String(), inRequest()),
  scheduler: nullable(Type.String(), inRequest()),
  seed: nullable(seed(), inRequest(' A number up to 2^53−1, a decimal string above.')),
  queue_ms: nullable(Type.Integer(), 'From acceptance to the start of execution.'),
  duration_ms: nullable(Type.Integer(), 'From the start of execution to the end.'),
  instance: nullable(Type.String(), 'Name of the ComfyUI instance that runs or ran it, `<worker>/<n>`.'),
  attempts: Type.Integer({ description: 'How often its execution began.' }),
  error: nullable(jobErrorSchema, 'Why it failed; null unless it did.'),
  timings: nullable(
    jobTimingsSchema,
    'How long each node took, as far as this was observed; null until the job has ended.',
  ),
  metadata: Type.Record(Type.String(), Type.String(), { description: 'The metadata that the request gave.' }),
  parent: nullable(parentJobSchema, 'The job that this one repeats or refines; null if there is none.'),
  reused_from: nullable(
    Type.String(),
    'With `reuse`: the job whose outputs it got, or gets while it is queued; null if it is rendered itself.',
  ),
  webhook: nullable(
    Type.Object({ url: Type.String(), events: Type.Array(Type.String()) }),
    'Where its end is reported. The secret is never shown.',
  ),
  urls: Type.Object(
    {
      self: Type.String(),
      /** Signed if the service has keys, because an EventSource sends no headers. */
      events: Type.String(),
      cancel: Type.String(),
      webhooks: Type.Optional(Type.String()),
    },
    { description: 'Where to read, follow and cancel the job. `events` can be opened without a key.' },
  ),
});

export type Job = Static<typeof jobSchema>;
export type JobImage = Static<typeof jobImageSchema>;
export type JobOutput = Static<typeof jobOutputSchema>;
export type ParentJob = Static<typeof parentJobSchema>;
export type JobProgress = Static<typeof jobProgressSchema>;

/** A page of `GET /jobs`, newest first. */
export const jobListSchema = named('JobList', {
  data: Type.Array(jobSchema),
  has_more: Type.Boolean(),
  next_cursor: Type.Union([Type.String(), Type.Null()]),
});

/** The answer of `POST /jobs/batch`, in the order of the request. */
export const batchAnswerSchema = named('BatchAnswer', {
  data: Type.Array(Type.Object({ id: Type.String(), urls: Type.Object({ self: Type.String() }) })),
});

export type JobList = Static<typeof jobListSchema>;
export type BatchAnswer = Static<typeof batchAnswerSchema>;

const { progress, outputs, images } = jobSchema.properties;

/** The data of each event of `GET /jobs/:id/events`, by event name. */
export const jobEventSchemas = {
  status: jobSchema,
  progress,
  /** The unfinished picture. */
  preview: named('JobPreview', {
    content_type: Type.String(),
    data: Type.String({ contentEncoding: 'base64', description: 'The picture in base64.' }),
  }),
  output: named('JobOutputs', { outputs, images }),
};
