import {
  type Abilities,
  type InstanceAbilities,
  type InstanceAnnouncement,
  type InstanceState,
  isInService,
  type ResolvedRequest,
  type WaitingFor,
  type WorkerAnnouncement,
} from '@comfy-fleet/contracts';
import { type FleetOverview, instancesServing, isPaused, type JobRecord } from '@comfy-fleet/jobs';
import { findLacks, type Lack, type Workflow } from '@comfy-fleet/workflows';

/** What a job needs, and what there is of it. */
export interface Equipment {
  /** Of the instances of the job's pool. */
  readonly abilities: readonly InstanceAbilities[];
  /** The job's workflow; undefined when this process has none of that name. */
  readonly workflow: Workflow | undefined;
}

/** An instance that is given jobs, and its worker. */
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

/** Why no instance would take the waiting job now, whoever's turn it is; undefined when one would. */
export function heldByFleet(record: JobRecord, overview: FleetOverview, equipment: Equipment): WaitingFor | undefined {
  const { pool } = record;
  const { halts } = overview;
  // One that may be in a ComfyUI is looked for during a pause too, and needs nothing that is not there.
  const isToBeFound = record.promptId !== null;
  if (!isToBeFound && isPaused(halts, pool)) {
    const what = halts.fleet === undefined ? `The pool ${pool}` : 'The fleet';
    return { code: 'paused', detail: `${what} is paused until an operator resumes it.` };
  }
  const taking = takingJobs(overview, pool);
  if (taking.length === 0) return { code: 'no_instance', detail: whyNone(overview, pool) };
  if (isToBeFound) return undefined;
  const lacks = whatIsMissing(record, taking, equipment);
  if (lacks !== undefined) return missing(lacks, pool);
  if (record.ooms >= OOMS_FOR_ANOTHER) {
    const needs = `another GPU of the pool ${pool} with at least as much memory`;
    return { code: 'memory', detail: `It ran out of memory twice, and waits for ${needs}.` };
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

/** What the nearest of them lacks; undefined when one can run the job, or may be able to, since nothing is known of it. */
function whatIsMissing(
  { request }: JobRecord,
  taking: readonly Taking[],
  { abilities, workflow }: Equipment,
): readonly Lack[] | undefined {
  const byName = new Map(abilities.map(({ instance, abilities: its }) => [instance, its]));
  const known = taking.flatMap(({ instance }): Abilities[] => {
    const its = byName.get(instance.name);
    return its === undefined ? [] : [its];
  });
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
 * What each of several instances lacks for a job, the one that lacks least first. Nothing when one of them can run it, or
 * when there is none.
 */
export function nearestLacks(
  workflow: Workflow,
  request: ResolvedRequest,
  instances: readonly Abilities[],
): readonly (readonly Lack[])[] {
  // Instances that are alike share one object.
  const lacks = [...new Set(instances)].map((abilities) => findLacks(workflow, request, abilities));
  lacks.sort((one, other) => one.length - other.length);
  return lacks[0]?.length === 0 ? [] : lacks;
}
