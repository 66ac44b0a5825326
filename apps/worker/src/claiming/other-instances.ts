import {
  type Abilities,
  type InstanceAnnouncement,
  isInService,
  type WorkerAnnouncement,
} from '@comfy-fleet/contracts';
import { type AbilityRegistry, type InstanceFault, instancesServing, type JobRecord } from '@comfy-fleet/jobs';
import { findLacks } from '@comfy-fleet/workflows';
import type { KnownWorkflows } from '../instance/known-workflows.js';
import { covers, subjectOf } from '../instance/scope.js';
import type { Tools } from '../job/tools.js';

/** Bounds a script that compares them for each kind of job. */
const MOST_UP = 32;

/**
 * Counts the other instances that can run a job and did not fail it. An instance whose abilities are unknown counts.
 */
export function createCountOthers(
  workersNow: () => Promise<readonly WorkerAnnouncement[]>,
  registry: Pick<AbilityRegistry, 'of'>,
  workflows: KnownWorkflows,
): Tools['countOthers'] {
  return async (record, faults) => {
    const workflow = workflows.of(record.request);
    const classes = workflow === undefined ? [] : workflow.classes;
    const [workers, known] = await Promise.all([workersNow(), registry.of(record.pool, classes)]);
    const lacks = (abilities: Abilities) =>
      workflow !== undefined && findLacks(workflow, record.request, abilities).length > 0;
    const unable = new Set(known.filter(({ abilities }) => lacks(abilities)).map(({ instance }) => instance));
    const failed = new Set(faults.map(({ instance }) => instance));
    const least = leastVram(workers, faults);
    return instancesTaking(workers, record.pool).filter(
      (instance) =>
        takes(instance, record) && instance.vram >= least && !failed.has(instance.name) && !unable.has(instance.name),
    ).length;
  };
}

function takes(instance: InstanceAnnouncement, record: JobRecord): boolean {
  const { state, rests = [] } = instance;
  const isThere = isInService(instance) || state === 'warming';
  return isThere && !rests.some(({ scope }) => covers(scope, subjectOf(record)));
}

/** Names of at most MOST_UP instances that take jobs of the pool. An occupied instance leaves jobs to these. */
export function instancesUp(workers: readonly WorkerAnnouncement[], pool: string): string[] {
  const up = instancesTaking(workers, pool).filter(({ state }) => state === 'up');
  return up.slice(0, MOST_UP).map(({ name }) => name);
}

/** Instances of the pool that are not drained and whose worker claims jobs. */
function instancesTaking(workers: readonly WorkerAnnouncement[], pool: string): InstanceAnnouncement[] {
  const taking = workers.filter(({ draining, storeFault }) => !draining && !storeFault);
  return instancesServing(taking, pool).filter(({ drains }) => !drains);
}

/**
 * The least GPU memory for another try of the job, in bytes: as much as the largest instance where it ran out of
 * memory.
 */
export function leastVram(workers: readonly WorkerAnnouncement[], faults: readonly InstanceFault[]): number {
  const ranOut = new Set(faults.filter(({ code }) => code === 'out_of_memory').map(({ instance }) => instance));
  const instances = workers.flatMap((worker) => worker.instances).filter(({ name }) => ranOut.has(name));
  return Math.max(0, ...instances.map(({ vram }) => vram));
}
