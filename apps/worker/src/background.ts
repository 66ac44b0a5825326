import type { SharedInputs } from '@comfy-fleet/jobs';
import { every, type Logger } from '@comfy-fleet/telemetry';
import { SAY_AGAIN_MS } from './claiming/fitting.js';
import type { Instance } from './instance/instance.js';
import { deleteOldFiles } from './instance/leftovers.js';
import type { Lifetimes, Parts, WorkerOptions } from './parts.js';
import { watchBeginnings } from './upkeep/never-begins.js';
import { restartBroken } from './upkeep/restarter.js';
import { createTestPrompts } from './upkeep/test-prompts.js';

/** How often an instance that nobody asks anything is asked whether it is there. */
const PROBE_MS = 1000;
/** How often prompts are looked for that no job wants any more, and whether wedged instances still are. */
const ABANDONED_MS = 1000;
/** How often it is looked whether what an instance was given begins. */
const BEGINNINGS_MS = 1000;
/** How often it is looked what became elsewhere of jobs that failed here. */
const OPINIONS_MS = 1000;
/** How often it is read which keys' graphs killed instances. */
const KILLS_MS = 1000;
/** How often it is read what other workers have learned of how long models take to load. */
const LOAD_TIMES_MS = 30_000;
/** How often it is looked whether an instance is to be warmed up: until then it stands still. */
const WARM_UP_MS = 250;
/** How often it is checked whether an instance is due for a test prompt: until then it rests. */
const TEST_PROMPTS_MS = 250;
/** How often it is looked whether an instance needs a restart. */
const RESTART_MS = 1000;
/** How often it is looked what operators have halted; mostly a message says so before. */
const HALTS_MS = 1000;
/** How often jobs are looked for whose submission is in an instance of ours, and that nobody or another worker has. */
const LEFT_MS = 1000;
/** How often it is looked whether pictures can be stored. */
const STORE_MS = 3000;
/** How often what jobs left on ComfyUI's disk is looked for. */
const CLEAN_MS = 3_600_000;

/** What a worker does beside its jobs, again and again; each promise resolves when its last run is over. */
export function startBackground(
  parts: Parts,
  takeLeft: () => Promise<void>,
  { beginMs, tools: { pollMs }, announceSeconds, abilitiesSeconds, ledger: { sharedInputs }, log }: WorkerOptions,
  { stopping, ending }: Lifetimes,
): Promise<void>[] {
  const { allSlots, study, opinions, restAfterKills, restarter, wedges, warmUps } = parts;
  const { loadTimes, store, presence, halts, fitting } = parts;
  const untilEnding = { signal: ending, log };
  const untilStopping = { signal: stopping, log };
  return [
    ...allSlots.flatMap((slots) => {
      const { instance } = slots;
      const { name } = instance;
      const look = watchBeginnings({ slots, beginMs, ...untilEnding });
      return [
        every(PROBE_MS, `probing ${name}`, () => instance.probe(ending), untilEnding),
        every(abilitiesSeconds * 1000, `studying ${name}`, () => study(instance), untilEnding),
        every(BEGINNINGS_MS, `watching what begins on ${name}`, look, untilEnding),
        every(
          TEST_PROMPTS_MS,
          `testing ${name}`,
          createTestPrompts({ slots, pollMs, ...untilStopping }),
          untilStopping,
        ),
        every(CLEAN_MS, `cleaning up after ${name}`, () => clean(instance, sharedInputs, log), untilEnding),
      ];
    }),
    every(OPINIONS_MS, 'reading opinions', opinions.hear, untilEnding),
    every(KILLS_MS, 'reading whose graphs killed instances', restAfterKills, untilEnding),
    every(ABANDONED_MS, 'stopping abandoned prompts', wedges.look, untilEnding),
    every(RESTART_MS, 'restarting what is broken', async () => restartBroken(allSlots, restarter), untilEnding),
    ...warmUps.map((warmUp) => every(WARM_UP_MS, 'warming up', warmUp.look, untilStopping)),
    every(LOAD_TIMES_MS, 'reading how long models take to load', loadTimes.read, untilEnding),
    every(STORE_MS, 'looking whether pictures can be stored', store.look, untilEnding),
    every(announceSeconds * 1000, 'announcing', presence.announce, untilEnding),
    every(SAY_AGAIN_MS, 'saying what instances hold', fitting.sayAgain, untilEnding),
    every(HALTS_MS, 'looking what is halted', halts.look, untilStopping),
    every(LEFT_MS, 'looking for jobs left behind', takeLeft, untilStopping),
  ];
}

async function clean({ name, folders }: Instance, { deleteUnused }: SharedInputs, log: Logger): Promise<void> {
  const count = await deleteOldFiles(folders, deleteUnused);
  if (count > 0) log.info('deleted old files in the folders of ComfyUI', { instance: name, count });
}
