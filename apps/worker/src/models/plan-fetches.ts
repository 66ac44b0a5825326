import { type Abilities, FleetError, modelId, type ResolvedRequest } from '@comfy-fleet/contracts';
import {
  chooseFetches,
  type FetchMemory,
  type FetchPlan,
  type FetchView,
  type HeldJob,
  inTurn,
  type ModelRecords,
  NO_MEMORY,
  type WaitingJobs,
  type WantedModels,
  type WorkerLedger,
} from '@comfy-fleet/jobs';
import { findLacks, type Lack, modelKindAt, modelsNeeded, type Workflow } from '@comfy-fleet/workflows';
import { LRUCache } from 'lru-cache';
import pLimit from 'p-limit';
import type { LoadTimes } from '../instance/held-models.js';
import type { Instance } from '../instance/instance.js';
import type { KnownWorkflows } from '../instance/known-workflows.js';

/** A model folder, as the worker that manages it knows it. */
export interface KeptFolder extends Pick<FetchView, 'copies' | 'room'> {
  readonly folder: Omit<FetchView['folder'], 'instances' | 'pools' | 'seen_at'>;
}

/** Decides what is fetched into a model folder and evicted from it. */
export type FetchPlanner = ReturnType<typeof createFetchPlanner>;

interface Options {
  readonly models: WorkerLedger['models'];
  readonly workflows: KnownWorkflows;
  /** This worker's instances with the folder. */
  readonly instancesOf: (folder: string) => readonly Instance[];
  /** The models that an instance with these abilities needs for its warm-up. */
  readonly warmUpModels: (abilities: Abilities) => readonly string[];
  readonly loadTimes: LoadTimes;
  readonly patienceMs: number;
  readonly signal: AbortSignal;
}

/** Assumed until it was measured. */
const LOAD_MS = 1000;
/** Jobs, and affinity keys, whose models are remembered: reading a workflow may take a request to S3. */
const MOST_REMEMBERED = 2000;
/** How long it is remembered what instances lack for jobs; nodes are rarely added to an instance. */
const LACKS_MS = 60_000;
/** Requests that are read at the same time. */
const MOST_AT_ONCE = 16;

/** What jobs with an affinity key need on the instances of a pool. */
interface Needs {
  readonly models: readonly string[];
  /** The models that the most suitable instance lacks; undefined if each lacks something else. */
  readonly lacking: readonly string[] | undefined;
}

export function createFetchPlanner(options: Options) {
  const { models, workflows, instancesOf, warmUpModels, loadTimes, patienceMs, signal } = options;
  const ofJobs = new LRUCache<string, HeldJob>({ max: MOST_REMEMBERED });
  const needs = new LRUCache<string, Needs>({ max: MOST_REMEMBERED, ttl: LACKS_MS });
  const memories = new Map<string, FetchMemory>();
  const together = pLimit(MOST_AT_ONCE);

  /**
   * A job with its workflow; undefined if one of the two is gone. Rejects if one cannot be read now:
   * without it, models could be evicted that the job needs.
   */
  const read = async (job: string) => {
    const found = await models.jobOf(job);
    if (found === undefined) return undefined;
    try {
      return { ...found, workflow: await workflows.load({ ...found, id: job }, signal) };
    } catch (error) {
      if (error instanceof FleetError && error.code === 'workflow_missing') return undefined;
      throw error;
    }
  };
  const abilitiesOf = (instances: readonly Instance[]) =>
    instances.map(({ abilities }) => abilities).filter((abilities) => abilities !== undefined);

  const heldJob = async (job: string, instances: readonly Instance[]): Promise<HeldJob> => {
    const known = ofJobs.get(job);
    if (known !== undefined) return known;
    const found = await read(job);
    const [abilities = {}] = abilitiesOf(instances);
    const ids = found === undefined ? [] : modelsNeeded(found.workflow, found.request, abilities).map(modelId);
    const held = { key: found?.key ?? '', models: ids };
    ofJobs.set(job, held);
    return held;
  };
  const heldIn = async (folder: string): Promise<readonly HeldJob[]> => {
    const users = await models.users(folder);
    const jobs = await models.heldBy(users.map(({ worker }) => worker));
    return Promise.all(jobs.map((job) => together(() => heldJob(job, instancesOf(folder)))));
  };
  const needsOf = async ({ pool, affinity, job }: WaitingJobs, all: readonly Instance[]): Promise<Needs> => {
    const id = `${pool} ${affinity}`;
    const known = needs.get(id);
    if (known !== undefined) return known;
    const found = await read(job);
    const serving = all.filter(({ pools }) => pools.includes(pool));
    const instances = abilitiesOf(serving);
    const made = found === undefined ? { models: [], lacking: undefined } : needsOn(found, instances);
    // Instances that have not been asked yet may be unable for another reason.
    if (serving.length > 0 && instances.length === 0) return { ...made, lacking: undefined };
    needs.set(id, made);
    return made;
  };
  /** What is wanted; undefined if no instance could run the jobs even if all registered models were there. */
  const wantedBy = async (
    waiting: WaitingJobs,
    instances: readonly Instance[],
    records: ModelRecords,
  ): Promise<WantedModels | undefined> => {
    const { models: ids, lacking } = await needsOf(waiting, instances);
    const registered = ids.filter((id) => records.has(id));
    const isPossible = registered.length > 0 && lacking?.every((id) => records.has(id));
    return isPossible ? { ...waiting, models: registered } : undefined;
  };

  return {
    /** The models of the jobs that the workers of this folder hold now. */
    inUse: async (folder: string) => usedBy(await heldIn(folder)),
    /** `inUse`: see there. */
    plan: async ({
      folder: own,
      copies,
      room,
    }: KeptFolder): Promise<FetchPlan & { readonly inUse: ReadonlySet<string> }> => {
      const { id } = own;
      const instances = instancesOf(id);
      const users = await models.users(id);
      const pools = [...new Set(users.flatMap((user) => user.pools))];
      const folder = { ...own, pools, instances: users.flatMap((user) => user.instances), seen_at: Date.now() };
      const [records, held, ...waiting] = await Promise.all([models.list(), heldIn(id), ...pools.map(models.waiting)]);
      const rows = inTurn(waiting).map((row) => together(() => wantedBy(row, instances, records)));
      const view: Omit<FetchView, 'others'> = {
        folder,
        copies,
        records,
        wanted: (await Promise.all(rows)).filter((row) => row !== undefined),
        kept: new Set(warmUpModels(abilitiesOf(instances)[0] ?? {}).filter((model) => records.has(model))),
        held,
        room,
        loadMs: (model) => loadTimes.of(model.slice(model.indexOf('/') + 1)) ?? LOAD_MS,
        memory: memories.get(id) ?? NO_MEMORY,
        patienceMs,
        now: Date.now(),
      };
      // What other hosts have matters only if there is something to fetch.
      const alone = chooseFetches({ ...view, others: [] });
      const isDone = alone.fetch.length + alone.evict.length + alone.noSpace.length === 0;
      const plan = isDone ? alone : chooseFetches({ ...view, others: await models.folders() });
      memories.set(id, plan.memory);
      return { ...plan, inUse: usedBy(held) };
    },
  };
}

function usedBy(jobs: readonly HeldJob[]): ReadonlySet<string> {
  return new Set(jobs.flatMap(({ models }) => models));
}

/** If only other workers have instances of the pool, it is assumed that one can run the jobs. */
function needsOn({ workflow, request }: Found, instances: readonly Abilities[]): Needs {
  const found = instances.map((abilities) => {
    const ids = findLacks(workflow, request, abilities).map((lack) => idOf(lack, abilities));
    return { abilities, lacking: ids.includes(undefined) ? undefined : ids.flatMap((id) => id ?? []) };
  });
  const [best = { abilities: {}, lacking: [] }] = found.sort((a, b) => numberOf(a.lacking) - numberOf(b.lacking));
  return { models: modelsNeeded(workflow, request, best.abilities).map(modelId), lacking: best.lacking };
}

interface Found {
  readonly workflow: Workflow;
  readonly request: ResolvedRequest;
}

function numberOf(lacking: readonly string[] | undefined): number {
  return lacking?.length ?? Number.MAX_SAFE_INTEGER;
}

/** The model that the instance lacks; undefined if it lacks something else. */
function idOf(lack: Lack, abilities: Abilities): string | undefined {
  if (lack.input === undefined) return undefined;
  const kind = modelKindAt(lack.className, lack.input, abilities);
  return kind && modelId({ kind, name: lack.value });
}
