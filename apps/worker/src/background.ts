import type { SharedInputs } from '@comfy-fleet/jobs';
import { every, type Logger } from '@comfy-fleet/telemetry';
import { REFRESH_MS } from './claiming/fitting.js';
import type { Instance } from './instance/instance.js';
import { deleteOldFiles } from './instance/leftovers.js';
import type { Lifetimes, Parts, WorkerOptions } from './parts.js';
import { restartBroken } from './upkeep/restarter.js';
import { watchStuckQueue } from './upkeep/stuck-queue.js';
import { createTestPrompts } from './upkeep/test-prompts.js';

/** How often an instance without other calls is probed. */
const PROBE_MS = 1000;
/** How often abandoned prompts are stopped and hung instances are checked. */
const STOP_PROMPTS_MS = 1000;
/** How often to check that submitted prompts begin. */
const BEGINNINGS_MS = 1000;
/** How often to read which keys' graphs killed instances. */
const KILLS_MS = 1000;
/** How often to read the load times that other workers have measured. */
const LOAD_TIMES_MS = 30_000;
/** How often to read what model folders have. */
const MODEL_FOLDERS_MS = 500;
/** How often to check for a due warm-up; the instance is idle until then. */
const WARM_UP_MS = 250;
/** How often to check for a due test prompt; the instance rests until then. */
const TEST_PROMPTS_MS = 250;
/** How often to check whether an instance needs a restart. */
const RESTART_MS = 1000;
/** How often to read what operators have paused or drained. Usually a message announces a change earlier. */
const PAUSES_MS = 1000;
/**
 * How often to look for jobs left behind: their submission is in an instance of ours, but this process does not hold
 * them.
 */
const LEFT_MS = 1000;
/** How often to check whether outputs can be stored. */
const STORE_MS = 3000;
/** How often old files of jobs are deleted from ComfyUI's disk. */
const CLEAN_MS = 600_000;

/** Starts the worker's periodic tasks. Each promise resolves when the last run of its task is over. */
export function startBackground(
  parts: Parts,
  takeLeft: () => Promise<void>,
  { beginMs, tools: { pollMs }, announceSeconds, abilitiesSeconds, ledger: { sharedInputs }, log }: WorkerOptions,
  { stopping, ending }: Lifetimes,
): Promise<void>[] {
  const { allSlots, study, restAfterKills, restarter, hungWatch, warmUps } = parts;
  const { loadTimes, modelFolders, store, presence, pauses, fitting } = parts;
  const untilEnding = { signal: ending, log };
  const untilStopping = { signal: stopping, log };
  return [
    ...allSlots.flatMap((slots) => {
      const { instance } = slots;
      const { name } = instance;
      const checkQueue = watchStuckQueue({ slots, beginMs, ...untilEnding });
      return [
        every(PROBE_MS, `probing ${name}`, () => instance.probe(ending), untilEnding),
        every(abilitiesSeconds * 1000, `studying ${name}`, () => study(instance), untilEnding),
        every(BEGINNINGS_MS, `checking that prompts begin on ${name}`, checkQueue, untilEnding),
        every(
          TEST_PROMPTS_MS,
          `testing ${name}`,
          createTestPrompts({ slots, pollMs, ...untilStopping }),
          untilStopping,
        ),
        every(CLEAN_MS, `cleaning up after ${name}`, () => clean(instance, sharedInputs, log), untilEnding),
      ];
    }),
    every(KILLS_MS, 'reading whose graphs killed instances', restAfterKills, untilEnding),
    every(STOP_PROMPTS_MS, 'stopping abandoned prompts', hungWatch.poll, untilEnding),
    every(RESTART_MS, 'restarting broken instances', async () => restartBroken(allSlots, restarter), untilEnding),
    ...warmUps.map((warmUp) => every(WARM_UP_MS, 'warming up', warmUp.runIfDue, untilStopping)),
    every(LOAD_TIMES_MS, 'reading how long models take to load', loadTimes.read, untilEnding),
    every(MODEL_FOLDERS_MS, 'reading what model folders have', modelFolders.poll, untilEnding),
    every(STORE_MS, 'checking whether outputs can be stored', store.check, untilEnding),
    every(announceSeconds * 1000, 'announcing', presence.announce, untilEnding),
    every(REFRESH_MS, 'publishing which models instances hold', fitting.refresh, untilEnding),
    every(PAUSES_MS, 'reading what is paused or drained', pauses.poll, untilStopping),
    every(LEFT_MS, 'looking for jobs left behind', takeLeft, untilStopping),
  ];
}

async function clean({ name, folders }: Instance, { deleteUnused }: SharedInputs, log: Logger): Promise<void> {
  const count = await deleteOldFiles(folders, deleteUnused);
  if (count > 0) log.info('deleted old files in the folders of ComfyUI', { instance: name, count });
}
