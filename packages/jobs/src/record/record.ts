import type {
  ErrorCode,
  ExpandedFrom,
  JobKind,
  JobPhase,
  JobStatus,
  Lod,
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
  /** Of the node at fault, for APIs that answer as ComfyUI does. */
  readonly exception?: NodeException | undefined;
}

/** A failure of the job on one instance that may be the instance's fault rather than the job's. */
export interface InstanceFault {
  readonly instance: string;
  readonly code: ErrorCode;
  /** What is alike of errors that are alike; see packages/worker. */
  readonly print: string;
  /** The instance had failed others before, so that this says little about the job. */
  readonly suspect: boolean;
}

export interface Progress {
  /** 0 to 1 over the whole workflow. */
  readonly fraction: number;
  readonly step: number | null;
  readonly steps: number | null;
  /** Title of the node under way, else its class. */
  readonly node: string | null;
  /** Its id in the graph. */
  readonly nodeId?: string | undefined;
  readonly nodeClass?: string | undefined;
  readonly expandedFrom?: ExpandedFrom | undefined;
  /** Nodes of the graph that are done, those from ComfyUI's cache included, and all of them. */
  readonly nodes?: { readonly done: number; readonly total: number };
  /** The nodes that ended since the last report, in order, each with its number of steps if it has any. */
  readonly ran?: readonly (readonly [nodeId: string, steps: number | null, from?: ExpandedFrom])[] | undefined;
  /** The progress texts of nodes since the last report, by node id. */
  readonly texts?: Readonly<Record<string, string>> | undefined;
}

/** How long one node of the graph executed. */
export interface NodeTiming {
  readonly nodeId: string;
  readonly expandedFrom?: ExpandedFrom;
  /** Its title in the graph, else its class. */
  readonly title: string;
  readonly className: string;
  /** Null when it came from ComfyUI's cache, or its time is not known. */
  readonly ms: number | null;
  /** Sampling steps, and the like of other nodes; null for a node without any. */
  readonly steps: number | null;
  /** ComfyUI had its result already. */
  readonly cached: boolean;
}

/** How the time of an execution was spent, as far as the instance's socket told. */
export interface Timings {
  readonly nodes: readonly NodeTiming[];
  /** How long of that models were loaded; null: none was. */
  readonly modelLoadMs: number | null;
}

/** A picture of the unfinished work, 48 KiB at most. */
export interface Preview {
  readonly contentType: string;
  /** The picture in base64. */
  readonly data: string;
  /** Of the node at work; absent where ComfyUI does not say. */
  readonly nodeId?: string | undefined;
  /** How far that node was; absent if unknown. */
  readonly step?: number | undefined;
  readonly steps?: number | undefined;
  readonly expandedFrom?: ExpandedFrom | undefined;
}

/** The ledger's record of one job: the truth about it. Times are ms since 1970, by Redis' clock. */
export interface JobRecord {
  readonly id: string;
  readonly kind: JobKind;
  readonly lod: Lod;
  readonly pool: string;
  /** Id of the API key whose job it is. */
  readonly key: string;
  /** The job that it repeats or refines. */
  readonly parent: ParentJob | null;
  /** Whom to notify of its end. */
  readonly callback: Webhook | null;
  readonly workflow: string;
  readonly request: ResolvedRequest;
  readonly status: JobStatus;
  readonly phase: JobPhase;
  readonly createdAt: number;
  readonly startDeadline: number;
  readonly startedAt: number | null;
  readonly finishedAt: number | null;
  readonly progress: Progress;
  /** The nodes that ComfyUI did not execute because it had their results; null if unknown. */
  readonly cachedNodes: readonly string[] | null;
  readonly outputs: readonly OutputRecord[];
  readonly error: JobError | null;
  /** Of its last submission; null until it has ended, and when nothing of it was heard. */
  readonly timings: Timings | null;
  /** The instance that has, or had, the current submission. */
  readonly instance: string | null;
  /** The current submission's prompt id; written before ComfyUI is asked. */
  readonly promptId: string | null;
  readonly submissions: number;
  /** Submissions that began executing. */
  readonly attempts: number;
  /** Of these, those that ended with what may be a fault of their instance: they do not count against the job. */
  readonly faultyAttempts: number;
  /**
   * ms since another worker first claimed the job with the submission on its record; null: its own worker has it, or
   * there is none.
   */
  readonly orphanedMs: number | null;
  /** Times a worker died, or lost its lock, while it held the job. */
  readonly deaths: number;
  /** Times an instance died or fell silent while it executed this job. */
  readonly kills: number;
  /** Times a submission did not come to its beginning: refused, or lost in the queue. */
  readonly refusals: number;
  /** Times the GPU ran out of memory under it. */
  readonly ooms: number;
  /** Where it failed for what may be the instance's fault, the latest last; bounded. */
  readonly faults: readonly InstanceFault[];
  /** When an idle instance of another worker last asked for it while it waited in a ComfyUI; null: none did. */
  readonly movedAt: number | null;
  /** The error after which it was given back last; null while that was for no error. */
  readonly retriedAfter: ErrorCode | null;
  /** The fence: number of the latest claim. */
  readonly claim: number;
  /** Name of the worker that holds it. */
  readonly worker: string | null;
  /** The caller's key of comfy.org, a secret: for ComfyUI alone, and null as soon as the job has ended. */
  readonly comfyKey: string | null;
  /** The trace in which it was accepted, as W3C's `traceparent`; null where nothing is traced. */
  readonly traceparent: string | null;
  /** What its key may call it besides its id, a UUID. */
  readonly alias: string | null;
  /** What the caller called itself; no identity. */
  readonly client: string | null;
  /** Its order came with an origin, see NewJob. */
  readonly hasOrigin: boolean;
  /** It has ended, and its key wants to see it no more among the ended ones. */
  readonly isHidden: boolean;
  /** It has ended, but KeyJobs lists it as open until the earlier jobs of its client have ended. */
  readonly isWithheld: boolean;
}

/** Where a job stands among those that wait for a claim. */
export interface QueuePlace {
  /** Jobs that will be claimed before this one; null unless it waits in its queue. */
  readonly ahead: number | null;
  /** Its key has as many jobs in workers' hands as it may. */
  readonly isHeldBack: boolean;
  /** The files of its key fill the key's share of the storage. */
  readonly isOverStorage: boolean;
  /** ms since 1970 before which nobody may claim it; null when anybody may. */
  readonly restsUntil: number | null;
}

/** Of a job that does not wait for a claim. */
export const NO_PLACE: QueuePlace = { ahead: null, isHeldBack: false, isOverStorage: false, restsUntil: null };

/** A record as it was at one moment, with what only that moment knows. */
export interface JobSnapshot extends QueuePlace {
  readonly record: JobRecord;
  /** Id of the newest event that the record already contains. */
  readonly lastEventId: string;
}

const NO_PROGRESS: Progress = { fraction: 0, step: null, steps: null, node: null };

/** Reads the flat field–value list that HGETALL gives inside a script. Undefined for an absent record. */
export function parseRecord(flat: readonly string[]): JobRecord | undefined {
  return recordOf(fieldsOf(flat));
}

/** The fields of a hash, or of an entry of a stream, from the flat list of them and their values. */
export function fieldsOf(flat: readonly string[]): Record<string, string> {
  const fields: Record<string, string> = {};
  for (let i = 0; i + 1 < flat.length; i += 2) fields[flat[i] as string] = flat[i + 1] as string;
  return fields;
}

/** The record of the fields of its hash. Undefined for an absent one. */
export function recordOf(fields: Readonly<Record<string, string>>): JobRecord | undefined {
  const text = (name: string) => (fields[name] === undefined || fields[name] === '' ? null : fields[name]);
  const number = (name: string) => (text(name) === null ? null : Number(fields[name]));
  const json = <T>(name: string, absent: T) =>
    text(name) === null ? absent : (JSON.parse(fields[name] as string) as T);
  const written = text('request');
  if (written === null) return undefined;
  const request = JSON.parse(written) as ResolvedRequest;
  return {
    id: fields.id as string,
    kind: fields.kind as JobKind,
    lod: request.lod,
    pool: fields.pool as string,
    key: fields.key as string,
    parent: json<ParentJob | null>('parent', null),
    callback: json<Webhook | null>('callback', null),
    workflow: request.workflow,
    request,
    status: fields.status as JobStatus,
    phase: fields.phase as JobPhase,
    createdAt: number('created_at') ?? 0,
    startDeadline: number('start_deadline') ?? 0,
    startedAt: number('started_at'),
    finishedAt: number('finished_at'),
    progress: json('progress', NO_PROGRESS),
    cachedNodes: json<string[] | null>('cached_nodes', null),
    outputs: json<OutputRecord[]>('outputs', []),
    error: json<JobError | null>('error', null),
    timings: json<Timings | null>('timings', null),
    instance: text('instance'),
    promptId: text('prompt_id'),
    submissions: number('submissions') ?? 0,
    attempts: number('attempts') ?? 0,
    faultyAttempts: number('faulty_attempts') ?? 0,
    orphanedMs: number('orphaned_ms'),
    deaths: number('deaths') ?? 0,
    kills: number('kills') ?? 0,
    refusals: number('refusals') ?? 0,
    ooms: number('ooms') ?? 0,
    faults: json<InstanceFault[]>('faults', []),
    movedAt: number('moved_at'),
    retriedAfter: text('retried_after') as ErrorCode | null,
    claim: number('claim') ?? 0,
    worker: text('worker'),
    comfyKey: text('comfy_key'),
    traceparent: text('traceparent'),
    alias: text('alias'),
    client: text('client'),
    hasOrigin: text('origin') !== null,
    isHidden: text('hidden') !== null,
    isWithheld: text('withheld') !== null,
  };
}

/** What the scripts' `place_in_queue()` answers. */
export type ScriptPlace = readonly [ahead: number, heldBack: number, restsUntil: number];
type ScriptSnapshot = readonly [fields: readonly string[], place: ScriptPlace, lastEventId: string];

/** Reads what the scripts' `snapshot()` answers; undefined when there is no such job: an empty list, in JSON of Lua `{}`. */
export function parseSnapshot(reply: unknown): JobSnapshot | undefined {
  const [fields, place, lastEventId] = reply as ScriptSnapshot;
  const record = parseRecord(fields);
  return record === undefined ? undefined : { record, ...parsePlace(place), lastEventId };
}

export function parsePlace([ahead, heldBack, restsUntil]: ScriptPlace): QueuePlace {
  return {
    ahead: ahead < 0 ? null : ahead,
    isHeldBack: heldBack === 1,
    isOverStorage: heldBack === 2,
    restsUntil: restsUntil === 0 ? null : restsUntil,
  };
}
