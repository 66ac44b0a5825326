import type { Scope } from '../../lib/scope.js';
import { fifo } from './fifo.js';
import { ledgerScheduler } from './ledger-scheduler.js';
import { flood, loneJob } from './scenarios.js';
import type { Scheduler, SimulatedJob } from './simulation.js';

/** How many claims it took until the only job of a new key was claimed, 1 for the next one; of each try. */
export interface Lone {
  readonly what: string;
  readonly service: readonly number[];
  readonly fifo: readonly number[];
}

export interface LoneOptions {
  readonly url: string;
  readonly prefix: string;
  /** Keys that flood. */
  readonly keys: number;
  readonly jobs: number;
  readonly tries: number;
}

const INSTANCES = 4;
/** Claims between two tries. */
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
    if (ended !== undefined) await scheduler.end(ended);
    const job = known.get((await scheduler.claim()) ?? '');
    if (job === undefined) throw new Error('nothing waits any more');
    running.push(job);
    return job;
  };
  await scheduler.submit(flooding);
  // in the middle of it: a key that was never served is as new as the one that comes
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
