import { Writable } from 'node:stream';
import { newId } from '@comfy-fleet/contracts';
import { createLogger } from '@comfy-fleet/telemetry';
import { expect, it } from 'vitest';
import type { Claim } from '../src/index.js';
import { openFleet, POOL } from './builders.js';

const KEYS = 20;
const JOBS_OF_KEY = 100;
const WORKERS = 8;
const INSTANCES = 8;
/** The largest share of all attempts to take a job that may fail. */
const MOST_LOST = 0.2;
/** How many more jobs one key may have got than another: each worker may take one of its jobs at the same time. */
const MOST_AHEAD = WORKERS;

/** A log that counts the races that a worker lost. */
function countingLog() {
  let lost = 0;
  const stream = new Writable({
    write: (chunk, _encoding, done) => {
      if (String(chunk).includes('none of the chosen jobs was still available')) lost += 1;
      done();
    },
  });
  const log = createLogger({ service: 'test', level: 'debug', format: 'json', stream });
  return { log, lost: () => lost };
}

it('gives each of 2,000 jobs of 20 keys to one of 64 racing instances, and keeps shares all the time', async () => {
  const fleet = await openFleet();
  const jobs = Array.from({ length: KEYS * JOBS_OF_KEY }, (_, n) => ({ id: newId(), key: `key ${n % KEYS}` }));
  await Promise.all(jobs.map(({ id, key }) => fleet.submit({ id, key })));
  const { log, lost } = countingLog();
  const taken: string[] = [];
  const claims: Claim[] = [];
  let furthestAhead = 0;
  const served = new Map(Array.from({ length: KEYS }, (_, n) => [`key ${n}`, 0]));

  const claimAll = async (worker: number) => {
    const source = await fleet.worker(`w${worker}`, { log }).claims(POOL);
    const instance = async (n: number) => {
      for (;;) {
        const claim = await source.nextFor({ name: `w${worker}/${n}`, fit: () => 0 });
        if (claim === 'left') continue;
        if (claim === undefined) return;
        taken.push(claim.record.id);
        claims.push(claim);
        served.set(claim.record.key, (served.get(claim.record.key) ?? 0) + 1);
        furthestAhead = Math.max(furthestAhead, Math.max(...served.values()) - Math.min(...served.values()));
        await claim.finish({ status: 'succeeded', outputs: [], executedMs: 10_000 });
      }
    };
    await Promise.all(Array.from({ length: INSTANCES }, (_, n) => instance(n)));
  };
  await Promise.all(Array.from({ length: WORKERS }, (_, n) => claimAll(n)));

  expect(taken).toHaveLength(jobs.length);
  expect(new Set(taken).size).toBe(jobs.length);
  expect(Math.max(...claims.map(({ record }) => record.claim))).toBe(1);
  expect(lost() / (lost() + jobs.length)).toBeLessThanOrEqual(MOST_LOST);
  expect(furthestAhead).toBeLessThanOrEqual(MOST_AHEAD);
});
