import type { Abilities, ResolvedRequest } from '@comfy-fleet/contracts';
import {
  type Asker,
  affinityKeyOf,
  type Fits,
  GRAPH_AFFINITY,
  type JobRecord,
  MARK,
  NEEDS_NO_MODELS,
  type Refusals,
} from '@comfy-fleet/jobs';
import type { Logger } from '@comfy-fleet/telemetry';
import { GRAPH } from '@comfy-fleet/workflows';
import type { Instance } from '../instance/instance.js';
import { type KnownWorkflows, lacksNothing, modelsOfJob } from '../instance/known-workflows.js';
import { covers, type Scope, workOf } from '../instance/scope.js';
import type { Slots } from '../slots/slots.js';

/** Tells the scheduler what each of our instances would have to load for which jobs, and keeps that current. */
export interface Fitting {
  /** Describes the instance to the scheduler. */
  askerOf(instance: Instance): Asker;
  /** Deletes everything that was published, at the start and at the end. */
  forget(): Promise<void>;
  /** The instance was given the job: it counts as holding its models and as having encoded its texts. Call this before `changed`. */
  assigned(instance: Instance, record: Pick<JobRecord, 'request' | 'encoding'>): void;
  /** Publishes what has changed since the last call. Never throws. */
  changed(instance: Instance): void;
  /** Renews what is published, or deletes it for an instance that takes no jobs. Call it every REFRESH_MS. */
  refresh(): Promise<void>;
}

/**
 * Other instances leave jobs to one that takes none for at most this long; several refreshes fit into the lifetime of
 * what is published.
 */
export const REFRESH_MS = 5000;

/** Affinity keys for which an instance remembers what it would have to load. A busy fleet has a few dozen. */
const MOST_ABLE = 1000;
/**
 * Affinity keys that it cannot run. There may be many, because all of them are skipped to find a job that it can run.
 */
const MOST_UNABLE = 20_000;

/** Affinity keys that a claim lists as refused because of one rest. */
const MOST_REFUSED = 64;

interface KnownFit {
  readonly request: ResolvedRequest;
  readonly models: readonly string[];
  /** The abilities that `isAble` was derived from. */
  abilities: Abilities | undefined;
  isAble: boolean;
  published: number;
}

/** What an instance knows, by affinity key. */
interface KnownFits {
  readonly able: Map<string, KnownFit>;
  readonly unable: Map<string, KnownFit>;
}

interface Options {
  readonly fits: Fits;
  readonly allSlots: readonly Slots[];
  readonly workflows: KnownWorkflows;
  /** The mark of the jobs that the instance prefers because their texts are encoded ahead there; undefined if there are none. */
  readonly markOf: (instance: Instance) => string | undefined;
  /** Aborts when running jobs must stop. */
  readonly signal: AbortSignal;
  readonly log: Logger;
}

export function createFitting({ fits, allSlots, workflows, markOf, signal, log }: Options): Fitting {
  const instances = allSlots.map(({ instance }) => instance);
  const fitsByInstance = new Map(instances.map((instance): [Instance, KnownFits] => [instance, noFits()]));
  const encodings = new Map<Instance, string | undefined>();
  const of = (instance: Instance) => fitsByInstance.get(instance) ?? noFits();
  const fitFor = (instance: Instance, affinity: string) =>
    of(instance).able.get(affinity) ?? of(instance).unable.get(affinity);

  const fitOf = (instance: Instance, known: KnownFit): number => {
    if (known.abilities !== instance.abilities) {
      known.abilities = instance.abilities;
      known.isAble = lacksNothing(known.request, instance, workflows);
    }
    if (!known.isAble) return -1;
    return known.models.length === 0 ? NEEDS_NO_MODELS : Math.round(instance.models.loadMs(known.models));
  };
  const learn = async (instance: Instance, affinity: string, job: Pick<JobRecord, 'id' | 'request'>) => {
    const { request } = job;
    // If the workflow cannot be read, the job reports why.
    await workflows.load(job, signal).catch((error: unknown) => log.debug('could not read a workflow', { error }));
    const known: KnownFit = {
      request,
      models: modelsOfJob(workflows, request),
      abilities: instance.abilities,
      isAble: lacksNothing(request, instance, workflows),
      published: 0,
    };
    known.published = fitOf(instance, known);
    remember(instance, affinity, known);
    return known.published;
  };
  const remember = (instance: Instance, affinity: string, known: KnownFit) => {
    const { able, unable } = of(instance);
    for (const kept of [able, unable]) kept.delete(affinity);
    const [kept, most] = known.isAble ? [able, MOST_ABLE] : [unable, MOST_UNABLE];
    const [oldest] = kept.size >= most ? kept.keys() : [];
    if (oldest !== undefined) {
      kept.delete(oldest);
      publish(instance, new Map([[oldest, undefined]]));
    }
    kept.set(affinity, known);
  };
  // Redis gets commands in this order, so the next claim sees the change.
  const publish = (instance: Instance, news: ReadonlyMap<string, number | undefined>) => {
    fits.publish(instance.name, news).catch((error: unknown) => {
      log.debug('could not publish what an instance holds', { instance: instance.name, error });
      for (const affinity of news.keys()) {
        const known = fitFor(instance, affinity);
        if (known !== undefined) known.published = Number.NaN;
      }
    });
  };

  return {
    askerOf: (instance) => {
      const { fullKeys = [] } = allSlots.find((slots) => slots.instance === instance) ?? {};
      return {
        name: instance.name,
        encoding: markOf(instance) ?? encodings.get(instance),
        refusals: refusalsOf(fullKeys, instance.health.refusals, of(instance).able),
        fit: (affinity, job) => learn(instance, affinity, job),
      };
    },
    forget: async () => {
      await Promise.all(instances.map(({ name }) => fits.forget(name)));
    },
    assigned: (instance, { request, encoding }) => {
      // A mark does not say what the job encodes.
      encodings.set(instance, encoding?.startsWith(MARK) ? undefined : (encoding ?? undefined));
      const known = fitFor(instance, affinityKeyOf(request));
      if (known !== undefined && known.models.length > 0) known.published = 0;
    },
    changed: (instance) => {
      const news = new Map<string, number | undefined>();
      const { able, unable } = of(instance);
      for (const kept of [able, unable]) {
        for (const [affinity, known] of kept) {
          // Without the workflow nothing can be derived from the new abilities, so the instance has to be asked again.
          const isLost = known.abilities !== instance.abilities && workflows.of(known.request) === undefined;
          if (isLost) kept.delete(affinity);
          const fit = isLost ? undefined : fitOf(instance, known);
          if (fit !== known.published) news.set(affinity, fit);
          if (fit !== undefined) known.published = fit;
        }
      }
      if (news.size > 0) publish(instance, news);
    },
    refresh: async () => {
      // Waiting jobs cannot use what an occupied instance holds.
      const published = allSlots.map(({ instance, isOpen }) =>
        isOpen && !instance.health.isOccupied ? fits.publish(instance.name, new Map()) : fits.forget(instance.name),
      );
      await Promise.all(published);
    },
  };
}

/**
 * Refused work as keys and affinity keys, which is what the scheduler knows of a job. A key with more affinity keys than
 * a claim should list is refused as a whole.
 */
function refusalsOf(
  fullKeys: readonly string[],
  scopes: readonly Scope[],
  able: ReadonlyMap<string, KnownFit>,
): Refusals | undefined {
  if (fullKeys.length + scopes.length === 0) return undefined;
  const keys = [...fullKeys];
  const queues: Refusals['queues'][number][] = [];
  for (const { key, ...work } of scopes) {
    const listed = [...able].filter(([, { request }]) => covers(work, workOf(request))).map(([affinity]) => affinity);
    const affinities = work.workflow === GRAPH ? [GRAPH_AFFINITY] : listed;
    const isWhole = Object.keys(work).length === 0 || affinities.length > MOST_REFUSED;
    if (key !== undefined && isWhole) keys.push(key);
    else for (const affinity of affinities.slice(0, MOST_REFUSED)) queues.push({ key: key ?? '', affinity });
  }
  return { keys, queues };
}

function noFits(): KnownFits {
  return { able: new Map(), unable: new Map() };
}
