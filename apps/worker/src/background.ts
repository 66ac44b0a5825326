import type { SharedInputs } from '@comfy-fleet/jobs';
import { every, type Logger } from '@comfy-fleet/telemetry';
import { type Fitting, SAY_AGAIN_MS } from './claiming/fitting.js';
import type { HaltWatch } from './claiming/halt-watch.js';
import type { Instance } from './instance/instance.js';
import { deleteOldFiles } from './instance/leftovers.js';
import type { LoadTimes } from './instance/load-times.js';
import type { Opinions } from './instance/opinions.js';
import type { Study } from './instance/study.js';
import type { Slots } from './slots/slots.js';
import type { StoreWatch } from './store-watch.js';
import { watchBeginnings } from './upkeep/never-begins.js';
import type { Restarter } from './upkeep/restarter.js';
import { restartBroken } from './upkeep/restarter.js';
import { createTestPrompts } from './upkeep/test-prompts.js';
import type { WarmUp } from './upkeep/warm-up.js';
import type { WedgeWatch } from './upkeep/wedge-watch.js';

interface Background {
  readonly allSlots: readonly Slots[];
  readonly sharedInputs: SharedInputs;
  readonly study: Study;
  readonly opinions: Opinions;
  readonly restAfterKills: () => Promise<void>;
  readonly wedges: WedgeWatch;
  readonly restarter: Restarter;
  readonly loadTimes: LoadTimes;
  readonly warmUps: readonly WarmUp[];
  readonly store: StoreWatch;
  readonly halts: HaltWatch;
  readonly fitting: Fitting;
  readonly takeLeft: () => Promise<void>;
  readonly announce: () => Promise<void>;
  readonly beginMs: number;
  readonly pollMs: number;
  readonly announceSeconds: number;
  readonly abilitiesSeconds: number;
  /** Aborts when no job is begun any more: then nothing is looked for that could be begun. */
  readonly stopping: AbortSignal;
  /** Aborts when no job may go on. */
  readonly ending: AbortSignal;
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
export function startBackground(background: Background): Promise<void>[] {
  const { allSlots, beginMs, pollMs, announceSeconds, abilitiesSeconds, stopping, ending, log } = background;
  const { sharedInputs, study, opinions, wedges, restarter, loadTimes, warmUps } = background;
  const { store, halts, fitting, takeLeft, announce, restAfterKills } = background;
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
    every(announceSeconds * 1000, 'announcing', announce, untilEnding),
    every(SAY_AGAIN_MS, 'saying what instances hold', fitting.sayAgain, untilEnding),
    every(HALTS_MS, 'looking what is halted', halts.look, untilStopping),
    every(LEFT_MS, 'looking for jobs left behind', takeLeft, untilStopping),
  ];
}

async function clean({ name, folders }: Instance, { deleteUnused }: SharedInputs, log: Logger): Promise<void> {
  const count = await deleteOldFiles(folders, deleteUnused);
  if (count > 0) log.info('deleted old files in the folders of ComfyUI', { instance: name, count });
}
