import type { Abilities, ResolvedRequest } from '@comfy-fleet/contracts';
import { type Asker, affinityKeyOf, type Fits, GRAPH_AFFINITY, type Refusals } from '@comfy-fleet/jobs';
import type { Logger } from '@comfy-fleet/telemetry';
import { GRAPH } from '@comfy-fleet/workflows';
import { lacksNothing, modelsOfJob } from '../instance/can-run.js';
import type { Instance } from '../instance/instance.js';
import type { KnownWorkflows } from '../instance/known-workflows.js';
import { covers, type Scope, workOf } from '../instance/scope.js';
import type { Slots } from '../slots/slots.js';

/** What the instances of this worker would have to load for which jobs, said to the scheduler and kept true. */
export interface Fitting {
  /** The instance as it asks for jobs. */
  askerOf(instance: Instance): Asker;
  /** Begins anew, or ends: what was said before counts no more. */
  forget(): Promise<void>;
  /** It was given the job, and counts as holding its models: to be called before `changed`. */
  given(instance: Instance, request: ResolvedRequest): void;
  /** Says what has changed since the last time; to be called when that may be. Never throws. */
  changed(instance: Instance): void;
  /** Says that all is as it was, or that an instance takes no jobs: to be called every SAY_AGAIN_MS. */
  sayAgain(): Promise<void>;
}

/** Others leave no jobs for longer to an instance that takes none; many fit into the time for which this is believed. */
export const SAY_AGAIN_MS = 5000;

/** Affinity keys for which an instance remembers what it would have to load. A busy fleet has a few dozen. */
const MOST_ABLE = 1000;
/** And of those that it cannot run: all that wait are passed over to find a job that it can. */
const MOST_UNABLE = 20_000;

/** Affinity keys of one rest that a claim lists as refused. */
const MOST_REFUSED = 64;

interface Stand {
  readonly request: ResolvedRequest;
  readonly models: readonly string[];
  /** By which it was found whether the instance can run such jobs. */
  abilities: Abilities | undefined;
  isAble: boolean;
  said: number;
}

/** By affinity key. */
interface Stands {
  readonly able: Map<string, Stand>;
  readonly unable: Map<string, Stand>;
}

interface Options {
  readonly fits: Fits;
  readonly allSlots: readonly Slots[];
  readonly workflows: KnownWorkflows;
  /** Aborts when no job may go on. */
  readonly signal: AbortSignal;
  readonly log: Logger;
}

export function createFitting({ fits, allSlots, workflows, signal, log }: Options): Fitting {
  const instances = allSlots.map(({ instance }) => instance);
  const stands = new Map(instances.map((instance): [Instance, Stands] => [instance, noStands()]));
  const of = (instance: Instance) => stands.get(instance) ?? noStands();
  const standOf = (instance: Instance, affinity: string) =>
    of(instance).able.get(affinity) ?? of(instance).unable.get(affinity);

  const fitOf = (instance: Instance, stand: Stand): number => {
    if (stand.abilities !== instance.abilities) {
      stand.abilities = instance.abilities;
      stand.isAble = lacksNothing(stand.request, instance, workflows);
    }
    return stand.isAble ? Math.round(instance.models.loadMs(stand.models)) : -1;
  };
  const first = async (instance: Instance, affinity: string, request: ResolvedRequest): Promise<number> => {
    // What cannot be read is left to the job: it says why.
    await workflows.load(request, signal).catch((error: unknown) => log.debug('a workflow was not read', { error }));
    const stand: Stand = {
      request,
      models: modelsOfJob(workflows, request),
      abilities: instance.abilities,
      isAble: lacksNothing(request, instance, workflows),
      said: 0,
    };
    stand.said = fitOf(instance, stand);
    keep(instance, affinity, stand);
    return stand.said;
  };
  const keep = (instance: Instance, affinity: string, stand: Stand) => {
    const { able, unable } = of(instance);
    for (const kept of [able, unable]) kept.delete(affinity);
    const [kept, most] = stand.isAble ? [able, MOST_ABLE] : [unable, MOST_UNABLE];
    const [oldest] = kept.size >= most ? kept.keys() : [];
    if (oldest !== undefined) {
      kept.delete(oldest);
      say(instance, new Map([[oldest, undefined]]));
    }
    kept.set(affinity, stand);
  };
  // Commands go in the order in which they are given: the next claim sees it.
  const say = (instance: Instance, news: ReadonlyMap<string, number | undefined>) => {
    fits.publish(instance.name, news).catch((error: unknown) => {
      log.debug('what an instance holds was not said', { instance: instance.name, error });
      for (const affinity of news.keys()) {
        const stand = standOf(instance, affinity);
        if (stand !== undefined) stand.said = Number.NaN;
      }
    });
  };

  return {
    askerOf: (instance) => ({
      name: instance.name,
      refusals: refusalsOf(instance.health.refusals, of(instance).able),
      fit: (affinity, request) => first(instance, affinity, request),
    }),
    forget: async () => {
      await Promise.all(instances.map(({ name }) => fits.forget(name)));
    },
    given: (instance, request) => {
      const stand = standOf(instance, affinityKeyOf(request));
      if (stand !== undefined) stand.said = 0;
    },
    changed: (instance) => {
      const news = new Map<string, number>();
      const look = (stand: Stand, affinity: string) => {
        const fit = fitOf(instance, stand);
        if (fit !== stand.said) news.set(affinity, fit);
        stand.said = fit;
      };
      of(instance).able.forEach(look);
      of(instance).unable.forEach(look);
      if (news.size > 0) say(instance, news);
    },
    sayAgain: async () => {
      // What an occupied instance holds is of no use to jobs that wait.
      const said = allSlots.map(({ instance, isOpen }) =>
        isOpen && !instance.health.isOccupied ? fits.publish(instance.name, new Map()) : fits.forget(instance.name),
      );
      await Promise.all(said);
    },
  };
}

/**
 * What is refused, by keys and affinity keys: that is what the scheduler knows of a job. A key with more affinity keys than a
 * claim should list is refused as a whole.
 */
function refusalsOf(scopes: readonly Scope[], able: ReadonlyMap<string, Stand>): Refusals | undefined {
  if (scopes.length === 0) return undefined;
  const keys: string[] = [];
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

function noStands(): Stands {
  return { able: new Map(), unable: new Map() };
}
