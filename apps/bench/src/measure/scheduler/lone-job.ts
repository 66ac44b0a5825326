import { type Goal, median, table } from '../../lib/report.js';
import type { Scope } from '../../lib/scope.js';
import { ledgerScheduler } from './ledger.js';
import { flood, loneJob } from './scenarios.js';
import { fifo, type Scheduler, type SimulatedJob } from './simulation.js';

/** How many claims it took until the only job of a new key was claimed, for each try; 1 is the next claim. */
export interface Lone {
  readonly what: string;
  readonly service: readonly number[];
  readonly fifo: readonly number[];
}

export interface LoneOptions {
  readonly url: string;
  readonly prefix: string;
  /** The number of keys with very many jobs. */
  readonly keys: number;
  readonly jobs: number;
  readonly tries: number;
}

const INSTANCES = 4;
/** The number of claims between two tries. */
const BETWEEN = 7;

export function measureLone(all: Scope, { url, prefix, keys, jobs, tries }: LoneOptions): Promise<Lone> {
  return all.inner(async (scope) => {
    const flooding = flood(keys, jobs);
    const service = await ledgerScheduler(scope, { url, prefix, weights: new Map() });
    return {
      what: `${jobs} jobs of ${keys === 1 ? 'one key' : `${keys} keys`}`,
      service: await claimsUntilLone(service, { flooding, keys, tries }),
      fifo: await claimsUntilLone(fifo(), { flooding, keys, tries: 1 }),
    };
  });
}

interface Flood {
  readonly flooding: readonly SimulatedJob[];
  readonly keys: number;
  readonly tries: number;
}

async function claimsUntilLone(scheduler: Scheduler, { flooding, keys, tries }: Flood): Promise<number[]> {
  const known = new Map(flooding.map((job) => [job.id, job]));
  const running: SimulatedJob[] = [];
  const claim = async () => {
    const ended = running.length < INSTANCES ? undefined : running.shift();
    if (ended !== undefined) {
      await scheduler.use([ended], ended.gpuMs);
      await scheduler.end(ended);
    }
    const job = known.get((await scheduler.claim()) ?? '');
    if (job === undefined) throw new Error('no job is left');
    running.push(job);
    return job;
  };
  await scheduler.submit(flooding);
  // Begins after each key was served, because a key that was never served counts as new, too.
  for (let n = 0; n < keys; n++) await claim();
  const counts: number[] = [];
  while (counts.length < tries) {
    for (let n = 0; n < BETWEEN; n++) await claim();
    const lone = loneJob(counts.length);
    known.set(lone.id, lone);
    await scheduler.submit([lone]);
    let claims = 1;
    while ((await claim()) !== lone) claims += 1;
    counts.push(claims);
  }
  return counts;
}

/**
 * The key begins level with the key that is served next, and others may be level with that.
 */
const MOST_CLAIMS_FOR_LONE = 4;

export function loneTable(floods: readonly Lone[]): string {
  return table(
    'Claims until the only job of a new key is claimed, 1 for the next one, in the middle of a flood',
    ['', 'tries', 'median', 'most', 'FIFO'],
    floods.map(({ what, service, fifo }) => [
      what,
      `${service.length}`,
      `${median(service)}`,
      `${Math.max(...service)}`,
      `${median(fifo)}`,
    ]),
  );
}

export function loneGoals(floods: readonly Lone[]): Goal[] {
  return floods.map(({ what, service }) => {
    const limit = MOST_CLAIMS_FOR_LONE;
    return { what: `a lone job beside ${what}`, value: Math.max(...service), unit: '', bound: 'at most', limit };
  });
}
