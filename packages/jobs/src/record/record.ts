import type {
  ErrorCode,
  ExpandedFrom,
  JobKind,
  JobPhase,
  JobStatus,
  NodeException,
  ParentJob,
  ResolvedRequest,
  Webhook,
} from '@comfy-fleet/contracts';
import type { OutputRecord } from './outputs.js';

export interface JobError {
  readonly code: ErrorCode;
  readonly detail: string;
  readonly nodeId: string | null;
  /** The exception of the failed node, for APIs that answer as ComfyUI does. */
  readonly exception?: NodeException | undefined;
}

/** A failure of the job on one instance, which may be the instance's fault. */
export interface InstanceFault {
  readonly instance: string;
  readonly code: ErrorCode;
  /** The fingerprint of the error: the same for similar errors; see apps/worker. */
  readonly print: string;
  /** The instance had failed other jobs before, so this failure says little about the job. */
  readonly suspect: boolean;
}

export interface Progress {
  /** 0 to 1 over the whole workflow. */
  readonly fraction: number;
  readonly step: number | null;
  readonly steps: number | null;
  /** Title of the executing node, or else its class. */
  readonly node: string | null;
  /** Id of that node in the graph. */
  readonly nodeId?: string | undefined;
  readonly nodeClass?: string | undefined;
  readonly expandedFrom?: ExpandedFrom | undefined;
  /** How many nodes of the graph are done, including those from ComfyUI's cache, and how many there are. */
  readonly nodes?: { readonly done: number; readonly total: number };
  /** The nodes that ended since the last report, in order, each with its number of steps, if it has any. */
  readonly ran?: readonly (readonly [nodeId: string, steps: number | null, from?: ExpandedFrom])[] | undefined;
}

/** How long one node of the graph executed. */
export interface NodeTiming {
  readonly nodeId: string;
  readonly expandedFrom?: ExpandedFrom;
  /** Its title in the graph, or else its class. */
  readonly title: string;
  readonly className: string;
  /** Null if the result came from ComfyUI's cache, or if the time is unknown. */
  readonly ms: number | null;
  /** Sampling steps, or similar units of other nodes; null for a node without any. */
  readonly steps: number | null;
  /** ComfyUI had its result in the cache. */
  readonly cached: boolean;
}

/** How the time of an execution was spent, as far as the instance's socket reported it. */
export interface Timings {
  readonly nodes: readonly NodeTiming[];
  /** How long models were loaded; null if none were. */
  readonly modelLoadMs: number | null;
  /** How long the prompt took that encoded its texts and those of other jobs ahead; absent if there was none. */
  readonly encodeAheadMs?: number;
}

/** A picture of the unfinished work, at most 48 KiB. */
export interface Preview {
  readonly contentType: string;
  /** The picture in base64. */
  readonly data: string;
  /** The executing node; absent if ComfyUI does not say. */
  readonly nodeId?: string | undefined;
  /** The step that node had reached; absent if unknown. */
  readonly step?: number | undefined;
  readonly steps?: number | undefined;
  readonly expandedFrom?: ExpandedFrom | undefined;
}

/** What lists show of an origin. It is in the record, because an origin may have megabytes. */
export interface Listing {
  /** The job's place in a queue, as its client numbers it; undefined if it does not. */
  readonly number?: number | undefined;
  /** The job goes to the front of that queue. */
  readonly front?: boolean | undefined;
  /** The id of a workflow in the client's editor. */
  readonly workflowId?: string | undefined;
}

/** The record of a job in the ledger, which is authoritative. Times are ms since 1970, by Redis' clock. */
export type JobRecord = Readonly<NonNullable<ReturnType<typeof recordOf>>>;

/** The place of a job among those that wait for a claim. */
export interface QueuePlace {
  /** How many jobs will be claimed before this one; null unless it waits in its queue. */
  readonly ahead: number | null;
  /** Its key has as many jobs in work as it may. */
  readonly isHeldBack: boolean;
  /** The files of its key fill the key's share of the storage. */
  readonly isOverStorage: boolean;
  /** Its key has used up its GPU time of today. */
  readonly isOverGpuLimit: boolean;
  /** It is the key's own graph, and these are held back because they killed an instance. */
  readonly isHeldAfterKill: boolean;
  /** When its delay ends and it may be claimed, in ms since 1970; null if it has no delay. */
  readonly restsUntil: number | null;
}

/** For a job that does not wait for a claim. */
export const NO_PLACE: QueuePlace = {
  ahead: null,
  isHeldBack: false,
  isOverStorage: false,
  isOverGpuLimit: false,
  isHeldAfterKill: false,
  restsUntil: null,
};

/** A record as it was at one moment, with facts that are only true at that moment. */
export interface JobSnapshot extends QueuePlace {
  readonly record: JobRecord;
  /** Id of the newest event that the record includes. */
  readonly lastEventId: string;
}

const NO_PROGRESS: Progress = { fraction: 0, step: null, steps: null, node: null };

/** Parses the flat list of fields and values that HGETALL returns in a script. Undefined if there is no record. */
export function parseRecord(flat: readonly string[]): JobRecord | undefined {
  return recordOf(fieldsOf(flat));
}

/** Turns a flat list of fields and values, of a hash or of a stream entry, into an object. */
export function fieldsOf(flat: readonly string[]): Record<string, string> {
  const fields: Record<string, string> = {};
  for (let i = 0; i + 1 < flat.length; i += 2) fields[flat[i] as string] = flat[i + 1] as string;
  return fields;
}

/** Parses the fields of a record's hash. Undefined if there is no record. */
export function recordOf(fields: Readonly<Record<string, string>>) {
  const has = (name: string) => fields[name] !== undefined && fields[name] !== '';
  const text = (name: string) => (has(name) ? `${fields[name]}` : null);
  const number = (name: string) => (has(name) ? Number(fields[name]) : null);
  const json = <T>(name: string, absent: T) => (has(name) ? (JSON.parse(fields[name] as string) as T) : absent);
  const request = json<ResolvedRequest | undefined>('request', undefined);
  if (request === undefined) return undefined;
  return {
    id: fields.id as string,
    kind: fields.kind as JobKind,
    lod: request.lod,
    pool: fields.pool as string,
    /** Id of the API key that owns the job. */
    key: fields.key as string,
    /** The job that this one repeats or refines. */
    parent: json<ParentJob | null>('parent', null),
    /** The job whose outputs it got, or waits for; null if it is rendered itself. */
    reusedFrom: text('reused_from'),
    /** The webhook to notify when the job ends. */
    callback: json<Webhook | null>('callback', null),
    workflow: request.workflow,
    request,
    /** The signature of what it encodes before it samples; null if unknown. */
    encoding: text('encoding'),
    status: fields.status as JobStatus,
    phase: fields.phase as JobPhase,
    createdAt: number('created_at') ?? 0,
    startDeadline: number('start_deadline') ?? 0,
    startedAt: number('started_at'),
    finishedAt: number('finished_at'),
    progress: json('progress', NO_PROGRESS),
    /** Nodes that ComfyUI did not execute because their results were cached; null if unknown. */
    cachedNodes: json<readonly string[] | null>('cached_nodes', null),
    outputs: json<readonly OutputRecord[]>('outputs', []),
    error: json<JobError | null>('error', null),
    /** Timings of the last submission; null until it has ended, or if nothing was reported. */
    timings: json<Timings | null>('timings', null),
    /** The instance that has, or had, the current submission. */
    instance: text('instance'),
    /** The prompt id of the current submission, written before the prompt is sent to ComfyUI. */
    promptId: text('prompt_id'),
    submissions: number('submissions') ?? 0,
    /** Submissions that began executing. */
    attempts: number('attempts') ?? 0,
    /** How many attempts ended with a possible fault of their instance. They do not count against the job. */
    faultyAttempts: number('faulty_attempts') ?? 0,
    /**
     * ms since another worker first claimed the job while it had this submission; null if its own worker has it, or if
     * there is no submission.
     */
    orphanedMs: number('orphaned_ms'),
    /** How often a worker died, or lost its lock, while it held the job. */
    deaths: number('deaths') ?? 0,
    /** How often an instance died or fell silent while it executed this job. */
    kills: number('kills') ?? 0,
    /** How often a submission did not begin: refused, or lost from the queue. */
    refusals: number('refusals') ?? 0,
    /** How often the GPU ran out of memory during its execution. */
    ooms: number('ooms') ?? 0,
    /** Failures that may be an instance's fault, the latest last; bounded. */
    faults: json<readonly InstanceFault[]>('faults', []),
    /** When an idle instance of another worker last recalled the job while it waited in a ComfyUI; null if none did. */
    movedAt: number('moved_at'),
    /** The error for which it was last given back; null if there was none. */
    retriedAfter: text('retried_after') as ErrorCode | null,
    /** The fence: the number of the latest claim. */
    claim: number('claim') ?? 0,
    /** Name of the worker that holds the job. */
    worker: text('worker'),
    /** The caller's comfy.org API key: a secret for ComfyUI only. Null as soon as the job has ended. */
    comfyKey: text('comfy_key'),
    /** The trace in which the job was accepted, as a W3C `traceparent`; null if there is none. */
    traceparent: text('traceparent'),
    /** Another UUID by which its key may refer to the job. */
    alias: text('alias'),
    /** What the client called itself. This is not authenticated. */
    client: text('client'),
    /** The order had an origin, see NewJob. */
    hasOrigin: text('origin') !== null,
    /** What lists show of its origin. */
    listing: json<Listing>('listing', {}),
  };
}

type ScriptPlace = readonly [ahead: number, heldBack: number, restsUntil: number];
type ScriptSnapshot = readonly [fields: readonly string[], place: ScriptPlace, lastEventId: string];

/**
 * Parses the reply of `snapshot()` in the scripts. Undefined if there is no such job, whose fields are an empty list,
 * or `{}` in Lua's JSON.
 */
export function parseSnapshot(reply: unknown): JobSnapshot | undefined {
  const [fields, [ahead, heldBack, restsUntil], lastEventId] = reply as ScriptSnapshot;
  const record = parseRecord(fields);
  if (record === undefined) return undefined;
  return {
    record,
    lastEventId,
    ahead: ahead < 0 ? null : ahead,
    isHeldBack: heldBack === 1,
    isOverStorage: heldBack === 2,
    isOverGpuLimit: heldBack === 4,
    isHeldAfterKill: heldBack === 3,
    restsUntil: restsUntil === 0 ? null : restsUntil,
  };
}
