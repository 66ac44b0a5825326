import type { JobKind, ParentJob, ResolvedRequest, Webhook } from '@comfy-fleet/contracts';
import { GRAPH } from '@comfy-fleet/workflows';
import { wellFormed } from '../connection.js';
import { inlineOrReference, payloadFile, type TextKind } from '../record/payloads.js';
import type { Listing } from '../record/record.js';
import { affinityKeyOf, digestsOf, signatureOf } from '../record/request-keys.js';
import type { StoredSource } from '../record/workflows.js';
import { levelOf } from '../scheduling/choose.js';

export interface NewJob {
  readonly id: string;
  readonly kind: JobKind;
  readonly request: ResolvedRequest;
  readonly pool: string;
  /** The source of its workflow, which is kept as long as its record. */
  readonly source?: StoredSource;
  /** The model files that its graph names. */
  readonly models?: readonly string[];
  /** The signature of what it encodes before it samples; see encodingOf in packages/workflows. */
  readonly encoding?: string | undefined;
  /** If it is still queued after this many ms, it expires. */
  readonly startWithinMs: number;
  /** The webhook to call when the job ends. */
  readonly callback?: Webhook | undefined;
  readonly parent?: ParentJob | undefined;
  /** If the key has an equal job, it gets copies of its outputs; see reuseOf in record/request-keys.ts. */
  readonly reuse?: string | undefined;
  /** The caller's comfy.org API key, a secret that is sent to ComfyUI and kept until the job ends. */
  readonly comfyKey?: string | undefined;
  /** The trace that the job belongs to, as a W3C `traceparent`. */
  readonly traceparent?: string | undefined;
  /** A UUID in canonical form by which the caller may refer to the job, besides its id. Unique within an order. */
  readonly alias?: string | undefined;
  /** What the client calls itself, at most 128 characters. Other clients may use the same name. */
  readonly client?: string | undefined;
  /**
   * A JSON object that the API by which the job was ordered repeats in its answers. Its `extraData` is sent to ComfyUI
   * as `extra_data`, so it must not contain secrets. Jobs with an origin are listed by KeyJobs.
   */
  readonly origin?: string | undefined;
  /** What lists of that API show of the origin. */
  readonly listing?: Listing | undefined;
}

/** Jobs of one caller that are created together or not at all. */
export interface NewOrder {
  readonly jobs: readonly NewJob[];
  /** Id of the API key. */
  readonly caller: string;
  /** The caller's weight when keys share GPU time; 1 by default. */
  readonly weight?: number;
  /** Maximum number of waiting jobs of the caller, including these. */
  readonly mostWaiting?: number | undefined;
  /** How many jobs the caller may always have waiting, no matter how many jobs of others are open. */
  readonly reserved?: number | undefined;
  /** Maximum number of jobs of the caller in work. The others are held back until one ends. */
  readonly mostTaken?: number | undefined;
  /** GPU time of a day (UTC) after which jobs of the caller, also those of earlier orders, are held back until the next day. */
  readonly mostGpuMs?: number | undefined;
  /** The order is created once, no matter how often it is sent with the same key. */
  readonly idempotency?: { readonly digest: string; readonly fingerprint: string } | undefined;
}

export interface OrderBounds {
  /** Maximum number of open jobs of all callers and pools together. */
  readonly maxOpenJobs: number;
  /** Maximum number of bytes that the waiting and ended jobs of one key may hold. */
  readonly keyJobBytes: number;
  readonly idempotencyTtlSeconds: number;
}

/** An order as lua/create.lua takes it, with the sources that are sent along. */
export function orderArguments(order: NewOrder, bounds: OrderBounds, sources: readonly StoredSource[]) {
  const jobs = order.jobs.map((job) => jobArguments(job, order));
  return {
    caller: order.caller,
    digest: order.idempotency?.digest,
    fingerprint: order.idempotency?.fingerprint,
    // For how many ms they are remembered.
    remember: bounds.idempotencyTtlSeconds * 1000,
    most_waiting: order.mostWaiting,
    most_taken: order.mostTaken,
    most_gpu_ms: order.mostGpuMs,
    most_open: bounds.maxOpenJobs,
    reserved: order.reserved ?? 0,
    // How many bytes the jobs will hold, and the most that all jobs of the key may hold.
    bytes: jobs.reduce((sum, { bytes }) => sum + bytes, 0),
    most_bytes: bounds.keyJobBytes,
    versions: versionsOf(order),
    sources: Object.fromEntries(sources.map(({ version, text }) => [version, text])),
    jobs,
  };
}

/** The versions of workflows, except callers' own graphs, and the longest time in ms that a job may wait with each. */
function versionsOf({ jobs }: NewOrder) {
  const versions = new Map<string, number>();
  for (const job of jobs) {
    const { source, startWithinMs } = job;
    if (source === undefined || isOwnGraph(job)) continue;
    versions.set(source.version, Math.max(versions.get(source.version) ?? 0, startWithinMs));
  }
  return [...versions];
}

/**
 * What Redis stores for a job besides its texts, measured with MEMORY USAGE. A waiting job takes 2,000 bytes: fields that
 * scripts add, its work item, and its entries in eight indexes. An ended job takes 1,000, and 800 more until its webhook is
 * delivered.
 */
const JOB_BYTES = 2000;

function jobArguments(job: NewJob, order: NewOrder) {
  const record = recordFields(job, order);
  const fields = Object.entries(record).flatMap(([name, value]) =>
    value === undefined ? [] : [name, `${value}`.toWellFormed()],
  );
  const texts = textsOf(job);
  const kept = ([kind, text]: readonly [TextKind, string]) => [
    kind,
    inlineOrReference(text, payloadFile(kind, job.id)),
  ];
  return {
    id: job.id,
    kind: job.kind,
    pool: job.pool,
    workflow: job.request.workflow,
    parent: job.parent?.id,
    reuse: job.reuse,
    level: levelOf(job.request),
    start_within: job.startWithinMs,
    signature: signatureOf(job.request),
    affinity: affinityKeyOf(job.request),
    // What every job has, its texts, its origin, and its caller's own graph.
    bytes: JOB_BYTES + Buffer.byteLength([...fields, ...texts.map(([, text]) => text)].join('')),
    ...Object.fromEntries(texts.map(kept)),
    models: JSON.stringify({ workflow: job.request.workflow, models: job.models ?? [] }),
    // Digests of the files that it starts from.
    files: record.files?.split(' '),
    alias: job.alias,
    client: job.client,
    fields,
  };
}

/** Whether the job runs a graph of its caller's own, which is stored with the job. */
export function isOwnGraph({ request }: NewJob): boolean {
  return request.workflow === GRAPH;
}

/** The texts that are stored with the job: its caller's own graph, and its origin. */
export function textsOf(job: NewJob): readonly (readonly [kind: TextKind, text: string])[] {
  const { source, origin } = job;
  return [
    ...(source !== undefined && isOwnGraph(job) ? [['graph', source.text] as const] : []),
    ...(origin === undefined ? [] : [['origin', origin] as const]),
  ];
}

/** The initial fields of a record. The script adds more. */
function recordFields(job: NewJob, { mostTaken, weight = 1 }: NewOrder) {
  return {
    kind: job.kind,
    request: JSON.stringify(job.request),
    encoding: job.encoding,
    reuse: job.reuse,
    weight: weight === 1 ? undefined : weight,
    most_taken: mostTaken,
    callback: job.callback && JSON.stringify(job.callback, wellFormed),
    parent: job.parent && JSON.stringify(job.parent),
    files: digestsOf(job.request).join(' ') || undefined,
    comfy_key: job.comfyKey,
    traceparent: job.traceparent,
    alias: job.alias,
    client: job.client,
    origin: job.origin === undefined ? undefined : 1,
    listing: job.listing && JSON.stringify(job.listing, wellFormed),
  };
}
