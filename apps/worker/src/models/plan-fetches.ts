import { type Abilities, modelId, type ResolvedRequest } from '@comfy-fleet/contracts';
import {
  chooseFetches,
  type FetchPlan,
  type FetchView,
  type ModelRecords,
  type WaitingJobs,
  type WantedModels,
  type WorkerLedger,
} from '@comfy-fleet/jobs';
import { findLacks, type Lack, modelKindAt, modelsNeeded } from '@comfy-fleet/workflows';
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
export interface FetchPlanner {
  /** `inUse`: see there. */
  plan(kept: KeptFolder): Promise<FetchPlan & { readonly inUse: ReadonlySet<string> }>;
  /** The models of the jobs that the workers of this folder hold now. */
  inUse(folder: string): Promise<ReadonlySet<string>>;
}

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
/** Requests that are remembered, by affinity key and by job. */
const MOST_REMEMBERED = 2000;
/** Requests that are read at the same time. */
const MOST_AT_ONCE = 16;

export function createFetchPlanner(options: Options): FetchPlanner {
  const { models, workflows, instancesOf, warmUpModels, loadTimes, patienceMs, signal } = options;
  const requests = new LRUCache<string, ResolvedRequest>({ max: MOST_REMEMBERED });
  const lacks = new WeakMap<Abilities, LRUCache<string, readonly Lack[]>>();
  const forcedAt = new Map<string, number>();
  const together = pLimit(MOST_AT_ONCE);

  /** The request of a job, whose workflow is loaded then. Undefined if one of the two is gone. */
  const requestOf = async (id: string, job: string): Promise<ResolvedRequest | undefined> => {
    const request = requests.get(id) ?? (await models.requestOf(job));
    if (request === undefined) return undefined;
    requests.set(id, request);
    const isLoaded = await workflows.load(request, signal).then(
      () => true,
      () => false,
    );
    return isLoaded ? request : undefined;
  };
  const modelsOf = (request: ResolvedRequest, abilities: Abilities): string[] => {
    const workflow = workflows.of(request);
    return workflow === undefined ? [] : modelsNeeded(workflow, request, abilities).map(modelId);
  };
  const abilitiesOf = (folder: string): Abilities =>
    instancesOf(folder).find(({ abilities }) => abilities !== undefined)?.abilities ?? {};

  const inUse = async (folder: string): Promise<ReadonlySet<string>> => {
    const users = await models.users(folder);
    const jobs = await models.heldBy(users.map(({ worker }) => worker));
    const found = await Promise.all(jobs.map((job) => together(() => requestOf(job, job))));
    const held = found.filter((request) => request !== undefined);
    return new Set(held.flatMap((request) => modelsOf(request, abilitiesOf(folder))));
  };
  const lacksOf = (affinity: string, request: ResolvedRequest, abilities: Abilities): readonly Lack[] => {
    const known = lacks.get(abilities) ?? new LRUCache<string, readonly Lack[]>({ max: MOST_REMEMBERED });
    lacks.set(abilities, known);
    const workflow = workflows.of(request);
    const found = known.get(affinity) ?? (workflow === undefined ? [] : findLacks(workflow, request, abilities));
    known.set(affinity, found);
    return found;
  };
  /** The models that the jobs need; undefined if no instance could run them even if all registered models were there. */
  const wantedBy = async (
    { affinity, job, ...waiting }: WaitingJobs,
    instances: readonly Instance[],
    records: ModelRecords,
  ): Promise<WantedModels | undefined> => {
    const request = await requestOf(affinity, job);
    if (request === undefined) return undefined;
    const serving = instances.filter(({ pools }) => pools.includes(waiting.pool));
    const known = serving.map(({ abilities }) => abilities).filter((abilities) => abilities !== undefined);
    const able = known.find((abilities) =>
      lacksOf(affinity, request, abilities).every((lack) => records.has(idOf(lack, abilities) ?? '')),
    );
    if (able === undefined && known.length > 0) return undefined;
    const ids = modelsOf(request, able ?? {}).filter((id) => records.has(id));
    return ids.length === 0 ? undefined : { ...waiting, models: ids };
  };

  return {
    inUse,
    plan: async ({ folder: own, copies, room }) => {
      const { id } = own;
      const instances = instancesOf(id);
      const users = await models.users(id);
      const pools = [...new Set(users.flatMap((user) => user.pools))];
      const folder = { ...own, pools, instances: users.flatMap((user) => user.instances), seen_at: Date.now() };
      const [records, held, ...waiting] = await Promise.all([models.list(), inUse(id), ...pools.map(models.waiting)]);
      const rows = inTurn(waiting).map((row) => together(() => wantedBy(row, instances, records)));
      const view: Omit<FetchView, 'others'> = {
        folder,
        copies,
        records,
        wanted: (await Promise.all(rows)).filter((row) => row !== undefined),
        kept: new Set(warmUpModels(abilitiesOf(id)).filter((model) => records.has(model))),
        inUse: held,
        room,
        loadMs: (model) => loadTimes.of(model.slice(model.indexOf('/') + 1)) ?? LOAD_MS,
        forcedAt: forcedAt.get(id),
        patienceMs,
        now: Date.now(),
      };
      // What other hosts have matters only if there is something to fetch.
      const alone = chooseFetches({ ...view, others: [] });
      if (alone.fetch.length + alone.noSpace.length === 0) return { ...alone, inUse: held };
      const plan = chooseFetches({ ...view, others: await models.folders() });
      if (plan.forced) forcedAt.set(id, view.now);
      return { ...plan, inUse: held };
    },
  };
}

/** The model that the instance lacks; undefined if it lacks something else. */
function idOf(lack: Lack, abilities: Abilities): string | undefined {
  if (lack.input === undefined) return undefined;
  const kind = modelKindAt(lack.className, lack.input, abilities);
  return kind && modelId({ kind, name: lack.value });
}

/** The rows of several pools, alternately. */
function inTurn<T>(lists: readonly (readonly T[])[]): T[] {
  const longest = Math.max(0, ...lists.map((list) => list.length));
  return Array.from({ length: longest }, (_, n) => lists.flatMap((list) => list.slice(n, n + 1))).flat();
}
