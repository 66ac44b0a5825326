import {
  ERROR_CATALOGUE,
  type InputFile,
  type InputValue,
  isInputFile,
  isoTime,
  type Job,
  type JobKind,
  knownName,
  PICTURE_FIELDS,
  presentSeed,
  type ResolvedRequest,
  type WaitingFor,
  WEBHOOK_EVENTS,
} from '@comfy-fleet/contracts';
import { type OutputRecord, picturesOf } from './outputs.js';
import type { JobRecord, JobSnapshot, Progress } from './record.js';

interface Presenting {
  readonly publicUrl?: string | undefined;
  readonly eta?: number | null;
  readonly waitingFor?: WaitingFor | null;
  readonly sign?: ((path: string) => string) | undefined;
}

/**
 * The job as callers see it, in snake_case. All renaming happens here. URLs are absolute if `publicUrl` is given
 * (without a slash at its end), else relative to the root. `eta` comes from etaSeconds; `waitingFor` is what a queued
 * job waits for; `sign` adds signatures to paths that are opened without a key.
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
    reused_from: record.reusedFrom,
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

/** The progress of a job as callers see it. */
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
  const ahead = timings.encodeAheadMs === undefined ? {} : { encode_ahead_ms: timings.encodeAheadMs };
  return { nodes, model_load_ms: timings.modelLoadMs, ...ahead };
}

const numberOr = (value: InputValue | undefined): number | null => (typeof value === 'number' ? value : null);
const textOr = (value: InputValue | undefined): string | null => (typeof value === 'string' ? value : null);

/**
 * The request of a job as callers see it. For text2img and img2img, each value is a field; for other workflows, it is
 * an input.
 */
function presentRequest(kind: JobKind, request: ResolvedRequest): Job['request'] {
  const { workflow, version, priority, outputs } = request;
  const about = { workflow, version, lod: presentLod(request), priority };
  if (kind !== 'workflow') return withFlatInputs(about, request.inputs);
  const inputs = Object.entries(request.inputs).map(([name, value]) => [name, presentValue(name, value)]);
  return { ...about, inputs: Object.fromEntries(inputs), ...(outputs === undefined ? {} : { outputs: [...outputs] }) };
}

/** Null if no level of detail was applied. */
export function presentLod({ lod, asSaved }: ResolvedRequest): Job['lod'] {
  return asSaved ? null : lod;
}

/** Only the fields of the schema are shown, even if an operator's text2img has more inputs. */
function withFlatInputs(about: Job['request'], inputs: ResolvedRequest['inputs']): Job['request'] {
  const shown: Record<string, unknown> = about;
  for (const name of PICTURE_FIELDS) {
    const value = inputs[name];
    if (value !== undefined) shown[name] = presentValue(name, value);
  }
  if (isInputFile(inputs.image)) shown.image = presentPicture(inputs.image);
  return about;
}

function presentValue(name: string, value: InputValue): unknown {
  if (isInputFile(value)) return presentFile(value);
  return name === 'seed' && typeof value === 'string' ? presentSeed(value) : value;
}

function presentFile(file: InputFile) {
  const { kind, width, height, source } = file;
  return {
    name: knownName(file),
    kind,
    ...(width === undefined ? {} : { width }),
    ...(height === undefined ? {} : { height }),
    ...(source === undefined ? {} : { source }),
  };
}

function presentPicture({ name, width = 0, height = 0, source }: InputFile): NonNullable<Job['request']['image']> {
  const sha256 = name.slice(0, name.indexOf('.'));
  return { sha256, width, height, ...(source === undefined ? {} : { source }) };
}
