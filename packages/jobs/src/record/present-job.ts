import {
  ERROR_CATALOGUE,
  type InputValue,
  type Job,
  presentSeed,
  type WaitingFor,
  WEBHOOK_EVENTS,
} from '@comfy-fleet/contracts';
import { type OutputRecord, picturesOf } from './outputs.js';
import { presentLod, presentRequest } from './present-request.js';
import type { JobRecord, JobSnapshot, Progress } from './record.js';

interface Presenting {
  readonly publicUrl?: string | undefined;
  readonly eta?: number | null;
  readonly waitingFor?: WaitingFor | null;
  readonly sign?: ((path: string) => string) | undefined;
}

/**
 * The job as callers see it, in snake_case: the one place where names change. URLs are absolute under `publicUrl` (no
 * slash at its end), or root-relative without it; `eta` is what etaSeconds says, `waitingFor` what a queued one waits for; `sign` adds a signature to the paths
 * that are opened without a key.
 */
export function presentJob(
  { record, ahead }: JobSnapshot,
  { publicUrl = '', eta = null, waitingFor = null, sign = (path) => path }: Presenting = {},
): Job {
  const { request, callback } = record;
  const self = `${publicUrl}/jobs/${record.id}`;
  const { steps, cfg, sampler, scheduler } = request.inputs;
  const seed = typeof request.inputs.seed === 'string' ? presentSeed(request.inputs.seed) : null;
  const images = picturesOf(record.outputs).map((image) => ({
    image_url: publicUrl + sign(`/images/${image.file}`),
    width: image.width,
    height: image.height,
    seed,
    content_type: image.contentType,
    bytes: image.bytes,
    sha256: image.sha256,
  }));
  return {
    id: record.id,
    kind: record.kind,
    lod: presentLod(request),
    status: record.status,
    created_at: isoTime(record.createdAt),
    started_at: record.startedAt === null ? null : isoTime(record.startedAt),
    finished_at: record.finishedAt === null ? null : isoTime(record.finishedAt),
    start_deadline: isoTime(record.startDeadline),
    progress: record.status === 'succeeded' ? finished(record) : presentProgress(record.progress),
    queue_position: ahead,
    eta_seconds: eta,
    waiting_for: waitingFor,
    request: presentRequest(record.kind, request),
    outputs: record.outputs.map((output) => presentOutput(output, publicUrl + sign(`/files/${output.file}`))),
    images,
    image_url: images[0]?.image_url ?? null,
    steps: numberOr(steps),
    cfg: numberOr(cfg),
    sampler: textOr(sampler),
    scheduler: textOr(scheduler),
    seed,
    queue_ms: record.startedAt === null ? null : record.startedAt - record.createdAt,
    duration_ms: record.startedAt === null || record.finishedAt === null ? null : record.finishedAt - record.startedAt,
    instance: record.instance,
    attempts: record.attempts,
    error: presentError(record),
    timings: presentTimings(record),
    metadata: { ...request.metadata },
    parent: record.parent,
    webhook: callback === null ? null : { url: callback.url, events: [...(callback.events ?? WEBHOOK_EVENTS)] },
    urls: {
      self,
      events: publicUrl + sign(`/jobs/${record.id}/events`),
      cancel: `${self}/cancel`,
      ...(callback === null ? {} : { webhooks: `${self}/webhooks` }),
    },
  };
}

function presentOutput(output: OutputRecord, url: string): Job['outputs'][number] {
  const { name, nodeId, kind, filename, contentType, bytes, sha256, width, height, durationSeconds, text } = output;
  return {
    name,
    node_id: nodeId,
    kind,
    url,
    filename,
    content_type: contentType,
    bytes,
    sha256,
    ...(width === undefined ? {} : { width }),
    ...(height === undefined ? {} : { height }),
    ...(durationSeconds === undefined ? {} : { duration_seconds: durationSeconds }),
    ...(text === undefined ? {} : { text }),
  };
}

/** How far a job is, as callers see it. */
export function presentProgress({ fraction, step, steps, node }: Progress): Job['progress'] {
  return { fraction, step, steps, node };
}

function finished(record: JobRecord): Job['progress'] {
  const steps = numberOr(record.request.inputs.steps);
  return { fraction: 1, step: steps, steps, node: null };
}

function presentError({ error }: JobRecord): Job['error'] {
  if (error === null) return null;
  const { title, retryable } = ERROR_CATALOGUE[error.code];
  return { code: error.code, title, detail: error.detail, retryable, node_id: error.nodeId };
}

function presentTimings({ timings }: JobRecord): Job['timings'] {
  if (timings === null) return null;
  const nodes = timings.nodes.map(({ nodeId, title, className, ms, steps, cached }) => ({
    node_id: nodeId,
    title,
    class_type: className,
    ms,
    steps,
    cached,
  }));
  return { nodes, model_load_ms: timings.modelLoadMs };
}

const numberOr = (value: InputValue | undefined): number | null => (typeof value === 'number' ? value : null);
const textOr = (value: InputValue | undefined): string | null => (typeof value === 'string' ? value : null);

function isoTime(ms: number): string {
  return new Date(ms).toISOString();
}
