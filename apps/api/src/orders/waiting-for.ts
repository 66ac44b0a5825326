import {
  type Abilities,
  ERROR_CATALOGUE,
  fresh,
  type InstanceAbilities,
  type InstanceAnnouncement,
  type InstanceState,
  isInService,
  type ResolvedRequest,
  type WaitingFor,
  type WorkerAnnouncement,
} from '@comfy-fleet/contracts';
import {
  type FleetOverview,
  type FolderCopies,
  instancesServing,
  isPaused,
  type JobRecord,
  type JobSnapshot,
  type Ledger,
} from '@comfy-fleet/jobs';
import type { Logger } from '@comfy-fleet/telemetry';
import { findLacks, GRAPH, type Lack, openWorkflow, type Workflow } from '@comfy-fleet/workflows';
import { LRUCache } from 'lru-cache';
import { awaitedModels } from '../models/awaited-models.js';
import type { KeyOffers } from '../models/offers.js';

/** The fleet as it was a few seconds ago, for answers about jobs. */
export interface FleetView {
  /** Undefined while the fleet cannot be read. Never throws. */
  current(): Promise<FleetOverview | undefined>;
  /** The model folders of all hosts. Throws queue_unavailable. */
  folders(): Promise<readonly FolderCopies[]>;
  /** The graph of a job, in the form of a workflow; undefined if it is gone. Throws queue_unavailable, storage_failed. */
  graph(job: JobRecord): Promise<Workflow | undefined>;
}

/** After this time the view is read again; the old one is used until the new one arrives. */
const FRESH_MS = 2000;
/** A view that is older than this is not used; the response waits for a new one. */
const STALE_MS = 10_000;
/** How many opened graphs are cached, because clients poll their jobs. */
const MOST_GRAPHS = 200;

export function createFleetView(
  { fleet, jobs, models }: Pick<Ledger, 'fleet' | 'jobs' | 'models'>,
  log: Logger,
): FleetView {
  const folders = fresh(FRESH_MS, models.folders);
  const graphs = new LRUCache<string, Workflow, JobRecord>({
    max: MOST_GRAPHS,
    fetchMethod: async (_version, _before, { context: job }) => {
      const text = await jobs.source(job);
      return text === undefined ? undefined : openWorkflow(GRAPH, text);
    },
  });
  const view = fresh(FRESH_MS, async () => {
    try {
      return { overview: await fleet.overview(), at: performance.now() };
    } catch (error) {
      log.debug('the fleet could not be read', { error });
      throw error;
    }
  });

  return {
    current: async () => {
      const last = view.latest();
      if (last !== undefined && performance.now() - last.at <= STALE_MS) return last.overview;
      return view.now().then(
        ({ overview }) => overview,
        () => undefined,
      );
    },
    folders: folders.now,
    graph: (job) => graphs.fetch(job.request.version, { context: job }),
  };
}

/** What is known besides the job itself. */
export interface Circumstances {
  /** Undefined while it cannot be read; the answer then depends only on the job's record and its place in the queue. */
  readonly overview: FleetOverview | undefined;
  /** What the instances of the job's pool offer its key, and what they would offer with models that can be fetched. */
  readonly abilities: readonly InstanceAbilities[];
  readonly choosable: readonly InstanceAbilities[];
  /** The registered models that the key may use, and what hosts have of them. */
  readonly models: Pick<KeyOffers, 'records'> & { readonly folders: readonly FolderCopies[] };
  /** The job's workflow; undefined when this process does not serve it. */
  readonly workflow: Workflow | undefined;
}

/** An instance that accepts jobs, and its worker. */
interface Taking {
  readonly instance: InstanceAnnouncement;
  readonly worker: WorkerAnnouncement;
}

/** Out-of-memory errors after which a job needs another GPU. */
const OOMS_FOR_ANOTHER = 2;

const NOT_UP: Readonly<Record<Exclude<InstanceState, 'up' | 'occupied'>, string>> = {
  down: 'down',
  wedged: 'wedged',
  resting: 'resting after errors',
  warming: 'warming up',
  unknown: 'not asked yet',
};

/** Why a queued job waits: the first reason that applies, in the order of WAIT_CODES. Null for a job that is not queued. */
export function waitingFor(snapshot: JobSnapshot, circumstances: Circumstances): WaitingFor | null {
  const { record } = snapshot;
  if (record.status !== 'queued') return null;
  if (record.phase === 'claimed') return turn('A worker has claimed it and is about to send it to ComfyUI.');
  if (record.phase !== 'waiting')
    return turn(`It is in the queue of ${record.instance} and starts when the jobs ahead of it there have ended.`);
  const { overview } = circumstances;
  return (overview && heldByFleet(record, overview, circumstances)) ?? heldByItself(snapshot);
}

/** Why no instance would accept the waiting job now, even if it were next; undefined if one would. */
function heldByFleet(record: JobRecord, overview: FleetOverview, circumstances: Circumstances): WaitingFor | undefined {
  const { pool } = record;
  // If a ComfyUI may already have the job's prompt, workers look for it even during a pause, and it can run there.
  const mayBeSubmitted = record.promptId !== null;
  if (!mayBeSubmitted && isPaused(overview.halts, pool)) {
    const paused = overview.halts.fleet === undefined ? `The pool ${pool}` : 'The fleet';
    return { code: 'paused', detail: `${paused} is paused until an operator resumes it.` };
  }
  const taking = takingJobs(overview, pool);
  if (taking.length === 0) return { code: 'no_instance', detail: whyNone(overview, pool) };
  if (mayBeSubmitted) return undefined;
  const { workflow, abilities, choosable, models } = circumstances;
  const lacks = missingParts(record, taking, { workflow, abilities: choosable });
  if (lacks !== undefined) return missing(lacks, pool);
  const files = missingParts(record, taking, { workflow, abilities });
  if (files !== undefined) return awaitedModels(files, { ...models, pool, abilities });
  if (record.ooms >= OOMS_FOR_ANOTHER) {
    const needs = `another GPU of the pool ${pool} with at least as much memory`;
    return { code: 'memory', detail: `It ran out of memory twice and waits for ${needs}.` };
  }
  if (taking.every(({ worker }) => worker.storeFault)) {
    return { code: 'storage', detail: `No worker of the pool ${pool} can store pictures, so none takes jobs.` };
  }
  return undefined;
}

function takingJobs({ workers, halts }: FleetOverview, pool: string): Taking[] {
  return workers
    .filter(({ draining }) => !draining)
    .flatMap((worker) => instancesServing([worker], pool).map((instance) => ({ instance, worker })))
    .filter(({ instance }) => isInService(instance) && !halts.instances.has(instance.name));
}

function whyNone({ workers, halts }: FleetOverview, pool: string): string {
  const counts = new Map<string, number>();
  for (const { state, name } of instancesServing(workers, pool)) {
    const why =
      state !== 'up' && state !== 'occupied' ? NOT_UP[state] : halts.instances.has(name) ? 'drained' : 'stopping';
    counts.set(why, (counts.get(why) ?? 0) + 1);
  }
  if (counts.size === 0) return `No worker serves the pool ${pool}.`;
  const each = [...counts].map(([why, count]) => `${count} ${why}`);
  return `No instance of the pool ${pool} is up and takes jobs: ${each.join(', ')}.`;
}

/** What the most suitable instance lacks; undefined if one can run the job, or if the catalogue of any is unknown. */
function missingParts(
  { request }: JobRecord,
  taking: readonly Taking[],
  { abilities, workflow }: Pick<Circumstances, 'abilities' | 'workflow'>,
): readonly Lack[] | undefined {
  const byName = new Map(abilities.map(({ instance, abilities: its }) => [instance, its]));
  const known = taking.map(({ instance }) => byName.get(instance.name)).filter((its) => its !== undefined);
  if (workflow === undefined || known.length < taking.length) return undefined;
  return nearestLacks(workflow, request, known)[0];
}

function missing(lacks: readonly Lack[], pool: string): WaitingFor {
  const words = lacks.map((lack) =>
    lack.input === undefined ? `the node ${lack.className}` : `${lack.value} for ${lack.input} of ${lack.className}`,
  );
  return {
    code: 'missing',
    detail: `No instance of the pool ${pool} that is up has ${[...new Set(words)].join(' and ')}.`,
    missing: lacks.map((lack) =>
      lack.input === undefined
        ? { node: lack.className, input: null, value: null }
        : { node: lack.className, input: lack.input, value: lack.value },
    ),
  };
}

/**
 * What each instance lacks for a job, sorted so that the one that lacks least comes first. Empty when an instance can run the
 * job, or when there are no instances.
 */
export function nearestLacks(
  workflow: Workflow,
  request: ResolvedRequest,
  instances: readonly Abilities[],
): readonly (readonly Lack[])[] {
  // Identical instances share one object.
  const lacks = [...new Set(instances)].map((abilities) => findLacks(workflow, request, abilities));
  lacks.sort((one, other) => one.length - other.length);
  return lacks[0]?.length === 0 ? [] : lacks;
}

/** Why a job waits although an instance would accept it: a limit of its key, a pause after an error, or its turn. */
function heldByItself({
  record,
  ahead,
  isHeldBack,
  isOverStorage,
  isOverGpuLimit,
  isHeldAfterKill,
  restsUntil,
}: JobSnapshot): WaitingFor {
  const mayBeSubmitted = record.promptId !== null;
  // A job that a ComfyUI may already have is handed out regardless of the limits of its key.
  if (isHeldBack && !mayBeSubmitted) {
    return { code: 'running_limit', detail: 'Its API key has as many jobs in work as its jobs_running allows.' };
  }
  if (isOverStorage && !mayBeSubmitted) {
    const detail =
      'The storage is full, and the files of its API key use up the share of the key. It continues when files are deleted, ' +
      'either by their owner or, once they are an hour old, automatically, oldest first.';
    return { code: 'storage_share', detail };
  }
  if (record.reusedFrom !== null) return turn(`It will have the outputs of the job ${record.reusedFrom}.`);
  if (isOverGpuLimit && !mayBeSubmitted) {
    return { code: 'gpu_limit', detail: 'Its API key has used up its GPU time of today (UTC). It continues tomorrow.' };
  }
  if (restsUntil !== null) return retry(record, restsUntil);
  if (mayBeSubmitted) return turn('A worker gave it back; the next one looks for its prompt in ComfyUI.');
  if (isHeldAfterKill) {
    return turn(
      'Graphs of its API key stopped a ComfyUI: for an hour they run one at a time, or not at all after the second time.',
    );
  }
  if (ahead === null) return turn('Other jobs come before it.');
  if (ahead === 0) return turn('It comes next.');
  return turn(ahead === 1 ? 'One job comes before it.' : `${ahead} jobs come before it.`);
}

function turn(detail: string): WaitingFor {
  return { code: 'turn', detail };
}

function retry({ retriedAfter }: JobRecord, restsUntil: number): WaitingFor {
  const retryAt = new Date(restsUntil).toISOString();
  if (retriedAfter === null) {
    return { code: 'retry', detail: 'A worker gave it back; it is offered again soon.', retry_at: retryAt };
  }
  const detail = `${ERROR_CATALOGUE[retriedAfter].title}; it is tried again after a pause.`;
  return { code: 'retry', detail, after: retriedAfter, retry_at: retryAt };
}
