import type { SharedInputs, WorkerLedger } from '@comfy-fleet/jobs';
import { every, type Logger } from '@comfy-fleet/telemetry';
import type { Instance } from './instance/instance.js';
import { watchBeginnings } from './instance/never-begins.js';
import type { Slots } from './instance/slots.js';
import type { Study } from './instance/study.js';
import type { WedgeWatch } from './instance/wedge-watch.js';
import { deleteOldFiles } from './job/leftovers.js';

interface Background {
  readonly ledger: WorkerLedger;
  readonly allSlots: readonly Slots[];
  readonly study: Study;
  readonly wedges: WedgeWatch;
  readonly announce: () => Promise<void>;
  readonly beginMs: number;
  readonly announceSeconds: number;
  readonly abilitiesSeconds: number;
  readonly signal: AbortSignal;
  readonly log: Logger;
}

/** How often an instance that nobody asks anything is asked whether it is there. */
const PROBE_MS = 1000;
/** How often prompts are looked for that no job wants any more, and whether wedged instances still are. */
const ABANDONED_MS = 1000;
/** How often it is looked whether what an instance was given begins. */
const BEGINNINGS_MS = 1000;
/** How often it is looked what became elsewhere of jobs that failed here. */
const OPINIONS_MS = 1000;
/** How often what jobs left on ComfyUI's disk is looked for. */
const CLEAN_MS = 3_600_000;

/**
 * What a worker does beside its jobs, again and again until the signal aborts; each promise resolves when its last run
 * is over.
 */
export function startBackground(background: Background): Promise<void>[] {
  const { ledger, allSlots, study, wedges, announce, beginMs, announceSeconds, abilitiesSeconds, signal, log } =
    background;
  const until = { signal, log };
  const instances = allSlots.map(({ instance }) => instance);
  return [
    ...instances.flatMap((instance) => [
      every(PROBE_MS, `probing ${instance.name}`, () => instance.probe(signal), until),
      every(abilitiesSeconds * 1000, `studying ${instance.name}`, () => study(instance), until),
    ]),
    ...instances.map((instance) =>
      every(CLEAN_MS, `cleaning up after ${instance.name}`, () => clean(instance, ledger.sharedInputs, log), until),
    ),
    ...allSlots.map((slots) =>
      every(
        BEGINNINGS_MS,
        `watching what begins on ${slots.instance.name}`,
        watchBeginnings({ slots, beginMs, ...until }),
        until,
      ),
    ),
    every(OPINIONS_MS, 'reading opinions', () => hearOpinions(ledger, instances), until),
    every(ABANDONED_MS, 'stopping abandoned prompts', wedges.look, until),
    every(announceSeconds * 1000, 'announcing', announce, until),
  ];
}

async function hearOpinions(ledger: WorkerLedger, instances: readonly Instance[]): Promise<void> {
  for (const opinion of await ledger.takeOpinions()) {
    instances.find(({ name }) => name === opinion.instance)?.health.heard(opinion);
  }
}

async function clean(instance: Instance, sharedInputs: SharedInputs, log: Logger): Promise<void> {
  const count = await deleteOldFiles(instance.folders, sharedInputs.deleteUnused);
  if (count > 0) log.info('deleted old files in the folders of ComfyUI', { instance: instance.name, count });
}
