import Type, { type Static } from 'typebox';
import { v7 } from 'uuid';
import { FILE_KINDS, JOB_KINDS, LODS } from './parameters.js';
import { nullable, time } from './schema-parts.js';
import { waitingForSchema } from './waiting-for.js';

/** A UUIDv7 in canonical lower-case form: sortable by creation time, and a prompt id that every ComfyUI accepts. */
export function newId(): string {
  return v7();
}

const CANONICAL_UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;

/** True for a canonical lower-case UUID, the only form in which ids are given out and taken. */
export function isId(text: string): boolean {
  return CANONICAL_UUID.test(text);
}

/** The states a caller sees, in the words of the Comfy API v2. */
export const JOB_STATUSES = ['queued', 'running', 'canceling', 'succeeded', 'failed', 'canceled', 'expired'] as const;
export type JobStatus = (typeof JOB_STATUSES)[number];

export const TERMINAL_STATUSES = ['succeeded', 'failed', 'canceled', 'expired'] as const;
export type TerminalStatus = (typeof TERMINAL_STATUSES)[number];

/** Where a job stands inside the fleet; for operators, not for callers. */
export const JOB_PHASES = ['waiting', 'claimed', 'submitted', 'executing', 'collecting', 'ended'] as const;
export type JobPhase = (typeof JOB_PHASES)[number];

export function isTerminal(status: JobStatus): status is TerminalStatus {
  return (TERMINAL_STATUSES as readonly JobStatus[]).includes(status);
}

/**
 * Of a node that another node put in its own place while it ran (`{"expand": …}`): the ids of the node that ComfyUI shows
 * for it, of the one that put it there, and of the one in the graph that this began with.
 */
export interface ExpandedFrom {
  readonly display: string;
  readonly parent: string;
  readonly real: string;
}

const seed = () => Type.Union([Type.Integer(), Type.String()]);

const jobImageSchema = Type.Object({
  image_url: Type.String(),
  width: Type.Integer(),
  height: Type.Integer(),
  seed: nullable(seed()),
  content_type: Type.String(),
  bytes: Type.Integer(),
  sha256: Type.String(),
});

/** What an output is, told by its bytes, then by its extension. */
export const OUTPUT_KINDS = ['image', 'animation', 'video', 'audio', 'model', 'text', 'latent', 'file'] as const;
export type OutputKind = (typeof OUTPUT_KINDS)[number];

const jobOutputSchema = Type.Object({
  name: Type.String(),
  node_id: Type.String(),
  kind: Type.Enum([...OUTPUT_KINDS]),
  url: Type.String(),
  filename: Type.String(),
  content_type: Type.String(),
  bytes: Type.Integer(),
  sha256: Type.String(),
  width: Type.Optional(Type.Integer()),
  height: Type.Optional(Type.Integer()),
  duration_seconds: Type.Optional(Type.Number()),
  text: Type.Optional(Type.String()),
});

const jobProgressSchema = Type.Object({
  /** 0 to 1 over the whole workflow. */
  fraction: Type.Number(),
  step: nullable(Type.Integer()),
  steps: nullable(Type.Integer()),
  /** Title of the node under way. */
  node: nullable(Type.String()),
});

/** The job from which this one was made: again, or as the next rung of the ladder. */
const parentJobSchema = Type.Object({ id: Type.String(), relation: Type.Enum(['retry', 'refine']) });

const jobErrorSchema = Type.Object({
  code: Type.String(),
  title: Type.String(),
  detail: Type.String(),
  retryable: Type.Boolean(),
  node_id: nullable(Type.String()),
});

/** How the time of an execution was spent, node by node, as far as it was seen. */
const jobTimingsSchema = Type.Object({
  nodes: Type.Array(
    Type.Object({
      node_id: Type.String(),
      title: Type.String(),
      class_type: Type.String(),
      /** Null when it came from the cache, or its time is not known. */
      ms: nullable(Type.Integer()),
      steps: nullable(Type.Integer()),
      /** ComfyUI had its result already. */
      cached: Type.Boolean(),
    }),
  ),
  /** Part of that in which models were loaded; null: none was. */
  model_load_ms: nullable(Type.Integer()),
});

/** The parameters with which the job runs, every one resolved. */
const presentFileSchema = Type.Object({
  name: Type.String(),
  kind: Type.Enum([...FILE_KINDS]),
  width: Type.Optional(Type.Integer()),
  height: Type.Optional(Type.Integer()),
  source: Type.Optional(Type.String()),
});

/** Null of a workflow or graph that runs as it was saved, since nobody named a level. */
const lod = () => nullable(Type.Enum([...LODS]));

/** With which the job runs, every value resolved. The flat ones are those of text2img and img2img. */
const jobRequestSchema = Type.Object({
  workflow: Type.String(),
  /** SHA-256 of the workflow's source: what the job runs, whatever becomes of the workflow. */
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
  /** img2img only: the normalised input picture. */
  image: Type.Optional(
    Type.Object({
      sha256: Type.String(),
      width: Type.Integer(),
      height: Type.Integer(),
      source: Type.Optional(Type.String()),
    }),
  ),
  /** Of every other workflow, by name. */
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
  /** The outputs that were asked for; absent where all are made. */
  outputs: Type.Optional(Type.Array(Type.String())),
});

/** A job as `GET /jobs/:id` answers it. */
export const jobSchema = Type.Object({
  id: Type.String(),
  kind: Type.Enum([...JOB_KINDS]),
  lod: lod(),
  status: Type.Enum([...JOB_STATUSES]),
  created_at: time(),
  started_at: nullable(time()),
  finished_at: nullable(time()),
  /** Still queued then, the job expires. */
  start_deadline: time(),
  progress: jobProgressSchema,
  /** Jobs that will be claimed before this one; null unless it waits. */
  queue_position: nullable(Type.Integer()),
  /** Seconds in which it is expected to end, by what was learned of its kind; null when that is not known. */
  eta_seconds: nullable(Type.Integer()),
  /** Null unless it is queued. */
  waiting_for: nullable(waitingForSchema),
  request: jobRequestSchema,
  /** Every file and text that it made; the pictures among them are `images` as well. */
  outputs: Type.Array(jobOutputSchema),
  images: Type.Array(jobImageSchema),
  /** The first picture's, for callers that want just one. */
  image_url: nullable(Type.String()),
  /** Null, as are the next four, where the workflow has no such input. */
  steps: nullable(Type.Integer()),
  cfg: nullable(Type.Number()),
  sampler: nullable(Type.String()),
  scheduler: nullable(Type.String()),
  seed: nullable(seed()),
  /** From acceptance to the start of execution. */
  queue_ms: nullable(Type.Integer()),
  /** From the start of execution to the end. */
  duration_ms: nullable(Type.Integer()),
  /** Name of the ComfyUI instance that runs or ran it, `<worker>/<n>`. */
  instance: nullable(Type.String()),
  /** Submissions that began executing. */
  attempts: Type.Integer(),
  error: nullable(jobErrorSchema),
  /** Null until it has ended, and when nothing was seen of its execution. */
  timings: nullable(jobTimingsSchema),
  metadata: Type.Record(Type.String(), Type.String()),
  parent: nullable(parentJobSchema),
  /** Who is notified of its end; its secret is never shown. */
  webhook: nullable(Type.Object({ url: Type.String(), events: Type.Array(Type.String()) })),
  urls: Type.Object({
    self: Type.String(),
    /** With keys it carries a signature of its own: an EventSource sends no headers. */
    events: Type.String(),
    cancel: Type.String(),
    webhooks: Type.Optional(Type.String()),
  }),
});

export type Job = Static<typeof jobSchema>;
export type JobImage = Static<typeof jobImageSchema>;
export type JobOutput = Static<typeof jobOutputSchema>;
export type ParentJob = Static<typeof parentJobSchema>;
export type JobProgress = Static<typeof jobProgressSchema>;
