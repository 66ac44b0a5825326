import { type ApiKey, type InstanceAnnouncement, isoTime, sendsGraphs } from '@comfy-fleet/contracts';
import { type FleetOverview, type Halt, type Halts, SLOW_FACTOR } from '@comfy-fleet/jobs';

/** Sentences that tell an operator what is wrong with the fleet and what to do about it. */
export function fleetNotes({ pools, workers, halts, slowness }: FleetOverview): string[] {
  const instances = workers.flatMap((worker) => worker.instances);
  return [
    ...haltNotes(halts),
    ...pools
      .filter(({ open, instances: up }) => open > 0 && up === 0)
      .map(
        ({ pool, open }) =>
          `The pool ${pool} has ${open} unfinished ${open === 1 ? 'job' : 'jobs'} but no instance that is up and takes jobs.`,
      ),
    ...workers.flatMap(({ name, storeFault }) =>
      storeFault
        ? [
            `${name} takes no jobs (since ${isoTime(storeFault.since)}) until it can store pictures: ${storeFault.reason}.`,
          ]
        : [],
    ),
    ...instances.flatMap(restNotes),
    ...instances.flatMap(({ name }) => slowNote(name, slowness.get(name) ?? 1)),
    ...cleanupNotes(
      instances,
      'cleansOutputs',
      'pictures in the output folder',
      'COMFYUI_OUTPUT_DIRS (or output_dir in COMFYUI_INSTANCES_FILE)',
    ),
    ...cleanupNotes(
      instances,
      'cleansInputs',
      'input pictures',
      'COMFYUI_INPUT_DIRS (or input_dir in COMFYUI_INSTANCES_FILE)',
    ),
  ];
}

/** Ways in which a graph of one key could read the files of another key. Empty while no key may send graphs. */
export function exposureNotes(
  { workers }: Pick<FleetOverview, 'workers'>,
  keys: Iterable<Pick<ApiKey, 'scopes'>>,
): string[] {
  if (![...keys].some(sendsGraphs)) return [];
  return workers
    .flatMap(({ instances }) => instances)
    .flatMap(({ name, exposures = [] }) => exposures.map(({ what, fix }) => `ComfyUI ${name}: ${what}; ${fix}`));
}

/** Sentences that say what is paused or drained, and how to resume it. */
export function haltNotes({ fleet, pools, instances }: Halts): string[] {
  const who = ({ since, by }: Halt) => `since ${isoTime(since)}, by ${by}`;
  return [
    ...(fleet === undefined ? [] : [`The fleet is paused (${who(fleet)}): jobs wait until POST /admin/resume.`]),
    ...[...pools].map(
      ([name, halt]) =>
        `The pool ${name} is paused (${who(halt)}): its jobs wait until POST /admin/resume?pool=${name}.`,
    ),
    ...[...instances].map(
      ([name, halt]) => `${name} is drained (${who(halt)}) until POST /admin/instances/${name}/resume.`,
    ),
  ];
}

/** Sentences that say which jobs an instance does not get because jobs failed there. */
export function restNotes({ name, rests = [] }: InstanceAnnouncement): string[] {
  return rests.map(({ scope, until, error }) => {
    const of = [
      ...(scope.workflow === undefined ? [] : [`of the workflow ${scope.workflow}`]),
      ...(scope.checkpoint === undefined ? [] : [`with the checkpoint ${scope.checkpoint}`]),
      ...(scope.key === undefined ? [] : ['of one API key']),
    ];
    const jobs = ['no job', ...of].join(' ');
    return `${name} gets ${jobs} until it is tried with one at ${isoTime(until)}, after a failure: ${error}`;
  });
}

function slowNote(name: string, slowness: number): string[] {
  if (slowness < SLOW_FACTOR) return [];
  const times = Math.round(slowness * 10) / 10;
  return [
    `${name} takes ${times} times as long as its peers for similar work: check its GPU, its drivers and its disk.`,
  ];
}

function cleanupNotes(
  instances: readonly InstanceAnnouncement[],
  cleans: 'cleansOutputs' | 'cleansInputs',
  what: string,
  setting: string,
): string[] {
  const names = instances.filter((instance) => !instance[cleans]).map(({ name }) => name);
  if (names.length === 0) return [];
  return [
    `Nothing deletes the ${what} of ${names.join(', ')}: set ${setting} for the worker, or delete them yourself.`,
  ];
}
