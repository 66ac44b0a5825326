import type { Logger } from '@comfy-fleet/telemetry';
import type { Redis } from 'ioredis';
import { type NamedArguments, orUnavailable, runScript } from '../connection.js';
import type { Keys } from '../keys.js';
import type { PoolWorker } from '../queue/pool-worker.js';
import { type JobRecord, parseRecord, recordOf } from '../record/record.js';
import { type Choice, type ChosenJob, chooseSome, isJob, nearMs, type Rules } from '../scheduling/choose.js';
import { forgetServed } from '../scheduling/forget-served.js';
import { type DemandReply, type NearQueue, parseDemand, parseNear } from '../scheduling/snapshot.js';
import { type Asker, askFits, type Fits } from './fits.js';
import type { Claim } from './hold-claim.js';

export interface NextClaimOptions {
  readonly redis: Redis;
  readonly keys: Keys;
  readonly pool: string;
  readonly worker: string;
  readonly lockMs: number;
  readonly rules: Rules;
  readonly fits: Fits;
  /** This host's own clock, in ms since 1970. */
  readonly now: () => number;
  readonly log: Logger;
}

/** How many times an instance may be asked about jobs for one claim, so that others get their turn. */
const MOST_ASKED = 50;
/** How often a slot chooses again because another worker took the job, or the job was no longer available. */
const MOST_TRIES = 50;

/** Slots of one instance for which jobs are chosen from one snapshot. */
const MOST_SLOTS = 16;
/** Jobs that are chosen at a time. */
const MOST_CHOSEN = 16;

/** The instance's answers during one claim. */
interface Known {
  readonly loads: Map<string, number>;
  readonly retries: Map<string, boolean>;
}

/** A slot that waits for its turn to choose. */
interface Slot {
  readonly asker: Asker;
  readonly token: string;
  readonly known: Known;
  readonly resolve: (chosen: Chosen | PromiseLike<Chosen>) => void;
}
/** `taking`: the claim; undefined if others took the job, or if other slots took all jobs. */
interface Chosen {
  readonly choice: Choice | undefined;
  readonly taking: Promise<Claim | undefined> | undefined;
}

/** Makes a claim of a job that was taken with this token; undefined if it has ended the job instead. */
export type HandOut = (record: JobRecord, token: string) => Promise<Claim | undefined>;

/** Reads the jobs that an instance may get, chooses, and takes: see docs/architecture/scheduling.md. */
export function createNextClaims(options: NextClaimOptions, poolWorker: PoolWorker, handOut: HandOut) {
  const { redis, keys, pool, worker, lockMs, rules, log } = options;
  const inTurn = oneAtATime();
  let nextReturn: number | undefined;
  /** The last wake-up, unless it was passed on: how many workers had it before. */
  let woken: number | undefined;
  /** How many more jobs to choose than there are slots, because other workers may take the first ones. */
  let spare = 0;
  let slots: readonly Slot[] = [];

  const run = (name: 'near' | 'demand' | 'take' | 'passOver', args: NamedArguments) =>
    orUnavailable(() => runScript(redis, name, keys.open(pool), keys.prefix, { pool, ...args }));

  const readNear = async (asker: Asker, wanted: number, from: number, readsAll: boolean) => {
    const text = await run('near', {
      instance: asker.name,
      encoding: rules.patienceMs > 0 ? asker.encoding : undefined,
      wanted,
      from,
      near_ms: nearMs(rules.patienceMs),
      max_overtakes: rules.maxOvertakes,
      reads_all: readsAll,
      // BullMQ delays work items by this host's clock, not by Redis' clock.
      worker_clock: options.now(),
    });
    return parseNear(text as string);
  };
  const readDemand = async (asker: Asker, queues: readonly NearQueue[]) => {
    const affinities = [...new Set(queues.map(({ affinity }) => affinity))];
    return parseDemand(affinities, (await run('demand', { affinities })) as DemandReply, asker);
  };
  const chooseFor = async (asker: Asker, slotCount: number, known: Known): Promise<Choice[]> => {
    const { name, encoding, refusals, others } = asker;
    const chooser = { name, encoding, refusals, others, ...known };
    const wanted = Math.min(slotCount + spare, MOST_CHOSEN);
    let snapshot = await readNear(asker, wanted, 0, false);
    nextReturn = snapshot.returnsAt;
    for (;;) {
      const choices = chooseSome(snapshot, chooser, rules, wanted);
      const [first] = choices;
      if (first?.kind === 'weigh') {
        const demand = new Map([...(snapshot.demand ?? []), ...(await readDemand(asker, first.queues))]);
        snapshot = { ...snapshot, demand };
      } else if (first?.kind !== 'more') return choices;
      else if (snapshot.isCut) snapshot = await readNear(asker, wanted, 0, true);
      else {
        const page = await readNear(asker, wanted, snapshot.next ?? 0, true);
        snapshot = { ...page, keys: [...snapshot.keys, ...page.keys], demand: snapshot.demand };
      }
    }
  };
  const askInstance = async (asker: Asker, choice: Extract<Choice, { readonly kind: 'ask' }>, known: Known) => {
    const unknown = choice.loads.map(({ affinity, jobs: [first] }) => ({ affinity, id: first?.id ?? '' }));
    for (const [affinity, ms] of await askFits(options, asker, unknown)) known.loads.set(affinity, ms);
    for (const { id } of choice.retries) known.retries.set(id, await mayRetry(asker, id));
  };
  const mayRetry = async (asker: Asker, id: string): Promise<boolean> => {
    const record = recordOf(await orUnavailable(() => redis.hgetall(keys.job(id))));
    return record === undefined || (await asker.mayRetry?.(record)) !== false;
  };
  /** Takes a claim for each token, as far as there are enough jobs. */
  const take = async (chosen: readonly ChosenJob[], asker: Asker, tokens: readonly string[]) => {
    const [taken, tried] = (await run('take', {
      chosen: chosen.map(chosenArgument),
      instance: asker.name,
      worker,
      tokens,
      lock_ms: lockMs,
    })) as readonly [records: readonly (readonly string[])[], tried: number];
    const lost = tried - taken.length;
    spare = Math.min(MOST_CHOSEN, Math.max(2 * lost, spare - 1));
    if (taken.length === 0) log.debug('none of the chosen jobs was still available', { pool, instance: asker.name });
    const claims = tokens.map(async (token, n) => {
      const record = parseRecord(taken[n] ?? []);
      return record && handOut(record, token);
    });
    return Promise.all(claims);
  };
  const chooseInTurn = (asker: Asker, token: string, known: Known): Promise<Chosen> =>
    new Promise((resolve) => {
      slots = [...slots, { asker, token, known, resolve }];
      void inTurn(chooseForSlots);
    });
  const chooseForSlots = async (): Promise<void> => {
    const [first] = slots;
    if (first === undefined) return;
    const { asker, known } = first;
    const served = slots.filter((slot) => slot.asker.name === asker.name).slice(0, MOST_SLOTS);
    slots = slots.filter((slot) => !served.includes(slot));
    const tokens = served.map(({ token }) => token);
    const choosing = chooseFor(asker, tokens.length, known).then((choices) => {
      const chosen = choices.filter(isJob);
      // Redis gets this before the next slot of this process reads, so they never choose the same job.
      const taking = chosen.length > 0 ? take(chosen, asker, tokens) : undefined;
      return { choice: choices[0], taking };
    });
    for (const [n, { resolve }] of served.entries()) {
      const own = ({ choice, taking }: Awaited<typeof choosing>) => ({ choice, taking: taking?.then((all) => all[n]) });
      resolve(choosing.then(own));
    }
    await choosing;
  };
  const claimFor = async (asker: Asker): Promise<Claim | 'left' | undefined> => {
    const known: Known = { loads: new Map(), retries: new Map() };
    const token = poolWorker.newToken();
    for (let [asked, tries] = [0, 0]; asked < MOST_ASKED && tries < MOST_TRIES; ) {
      const { choice, taking } = await chooseInTurn(asker, token, known);
      if (taking !== undefined) {
        const claim = await taking;
        if (claim !== undefined) return claim;
        tries += 1;
      } else if (choice?.kind === 'ask') {
        await askInstance(asker, choice, known);
        asked += 1;
      } else {
        if (choice?.kind === 'paused') nextReturn = undefined;
        if (choice?.kind === 'left') await passOver(choice.passedOver);
        // It may get nothing for hours, after which the times of keys that it served before say nothing.
        if (asker.isIdle?.() !== false) await orUnavailable(() => forgetServed(redis, keys, pool, asker.name));
        return choice?.kind === 'left' ? 'left' : undefined;
      }
    }
    // There may be jobs that were not read, so that all workers are to look again.
    woken = 0;
    await passOver([]);
    return 'left';
  };
  const passOver = (queues: readonly NearQueue[]) => {
    const passed = run('passOver', { passed_over: queues.map(({ name }) => name), woken });
    woken = undefined;
    return passed;
  };
  const untilWork = async () => {
    woken = await poolWorker.waitForWork(nextReturn);
  };
  return {
    /** Claims a job for the instance. 'left': jobs are waiting, but not for it; undefined: no jobs are waiting. */
    nextFor: (asker: Asker) => poolWorker.track(() => claimFor(asker)),
    /** Resolves when there may be a job, or after about a second. Only one call at a time. */
    untilWork: () => poolWorker.track(untilWork),
  };
}

/** Starts each action when the previous one has ended. */
function oneAtATime() {
  let last: Promise<unknown> = Promise.resolve();
  return <T>(action: () => Promise<T>): Promise<T> => {
    const result = last.then(action);
    last = result.catch(() => undefined);
    return result;
  };
}

/** The job and where it was read, for lua/scheduling/take.lua to compare. */
function chosenArgument(choice: ChosenJob) {
  if (choice.kind === 'returned') return { job: choice.id };
  const { key, queue, job, loadMs } = choice.chosen;
  return {
    job: job.id,
    key: key.name,
    queue: queue.name,
    affinity: queue.affinity,
    sequence: job.sequence,
    load_ms: Math.floor(loadMs),
    passed_over: choice.passedOver.map(({ name }) => name),
    leaves_first: choice.passedOver.includes(queue) || undefined,
  };
}
