import { Writable } from 'node:stream';
import { createLogger } from '@comfy-fleet/telemetry';
import { until } from '@comfy-fleet/testing';
import { expect, it, onTestFinished } from 'vitest';
import { createSchedules, type Task } from '../src/index.js';
import { createHousekeepingQueue } from '../src/queue/schedules.js';
import { type Fleet, openFleet, ownRedis, quietLog } from './builders.js';

/** A process that runs these tasks until it is stopped or the test ends. */
function aProcess({ settings }: Fleet, tasks: readonly Task[], { log = quietLog(), lockMs = 60_000 } = {}) {
  const stopping = new AbortController();
  const schedules = createSchedules({ redis: settings, lockMs, stalledCheckMs: 100, log });
  const working = schedules.work(tasks, stopping.signal);
  const stop = async () => {
    stopping.abort();
    await working;
  };
  onTestFinished(async () => {
    await stop();
    await schedules.close();
  });
  return { stop };
}

function openQueue({ redis, keys }: Fleet) {
  const queue = createHousekeepingQueue(redis, keys, quietLog());
  onTestFinished(() => queue.close());
  return queue;
}

it('runs a task repeatedly in one of two processes, and shows its schedule and the result of each run', async () => {
  const fleet = await openFleet();
  let runs = 0;
  const run = async () => {
    runs += 1;
    return { run: runs };
  };
  const task = { name: 'count', everyMs: 20, run };
  aProcess(fleet, [task]);
  aProcess(fleet, [task]);
  const queue = openQueue(fleet);
  await until('five runs are over', async () => (await queue.getCompletedCount()) >= 5);
  expect(await queue.getJobSchedulers()).toMatchObject([{ key: 'count', every: 20 }]);
  const answers = (await queue.getCompleted()).map(({ returnvalue }) => returnvalue);
  expect(answers).toContainEqual({ run: 1 });
});

it('skips a run of a task while another one is running in any process, and runs other tasks', async () => {
  const fleet = await openFleet();
  let [begun, others] = [0, 0];
  let isOver = false;
  const run = async () => {
    begun += 1;
    await until('it is over', () => isOver);
  };
  const long = { name: 'long', everyMs: 20, run };
  const short = {
    name: 'short',
    everyMs: 20,
    run: async () => {
      others += 1;
    },
  };
  aProcess(fleet, [long, short]);
  aProcess(fleet, [long, short]);
  const queue = openQueue(fleet);
  const skipped = async () => (await queue.getCompleted()).filter(({ name }) => name === 'long').length;
  await until('some runs were skipped', async () => (await skipped()) >= 5 && others >= 5);
  expect(begun).toBe(1);
  isOver = true;
  await until('the task runs again', () => begun >= 2);
});

it('repeats a failed run, and shows why one failed for good', async () => {
  const fleet = await openFleet();
  const failing = (times: number) => {
    let tries = 0;
    return async () => {
      tries += 1;
      if (tries <= times) throw new Error('the disk is full');
    };
  };
  aProcess(fleet, [
    { name: 'fragile', everyMs: 3_600_000, run: failing(1) },
    { name: 'broken', everyMs: 3_600_000, run: failing(10) },
  ]);
  const queue = openQueue(fleet);
  await until('both have ended', async () => (await queue.getJobCountByTypes('completed', 'failed')) === 2);
  expect(await queue.getCompleted()).toMatchObject([{ name: 'fragile', attemptsMade: 2 }]);
  expect(await queue.getFailed()).toMatchObject([
    { name: 'broken', attemptsMade: 3, failedReason: 'the disk is full' },
  ]);
});

it('repeats the run of a dead process in another one', async () => {
  const fleet = await openFleet();
  let isDead = false;
  const first = aProcess(fleet, [{ name: 'task', everyMs: 3_600_000, run: () => until('it dies', () => isDead) }]);
  const queue = openQueue(fleet);
  const [active] = await until('it runs', async () => {
    const jobs = await queue.getActive();
    return jobs.length > 0 && jobs;
  });
  // As after the death of its process, nobody renews the lock.
  await fleet.redis.del(`${queue.toKey(active?.id ?? '')}:lock`);
  let repeated = 0;
  aProcess(fleet, [
    {
      name: 'task',
      everyMs: 3_600_000,
      run: async () => {
        repeated += 1;
      },
    },
  ]);
  await until('it was repeated', () => repeated === 1);
  isDead = true;
  await first.stop();
});

it('schedules its tasks again in a Redis that lost its data', async () => {
  const server = await ownRedis();
  const fleet = await openFleet({ url: server.url });
  let runs = 0;
  aProcess(fleet, [
    {
      name: 'task',
      everyMs: 20,
      run: async () => {
        runs += 1;
      },
    },
  ]);
  await until('it runs', () => runs >= 1);
  await fleet.redis.flushall();
  await server.stop();
  await server.restart();
  const before = runs;
  await until('it runs again', () => runs > before + 1);
});

it('warns about a Redis that refuses writes, and continues when it accepts them', async () => {
  const server = await ownRedis();
  const fleet = await openFleet({ url: server.url });
  let runs = 0;
  const run = async () => {
    runs += 1;
  };
  let written = '';
  const stream = new Writable({
    write: (chunk, _encoding, done) => {
      written += chunk;
      done();
    },
  });
  const log = createLogger({ service: 'test', level: 'warn', format: 'json', stream });
  // A run that was handed out just before is repeated when its lock has expired.
  aProcess(fleet, [{ name: 'task', everyMs: 20, run }], { log, lockMs: 500 });
  await until('it runs', () => runs >= 1);
  await fleet.redis.config('SET', 'maxmemory', '1mb');
  await until('it says so', () => written.includes('Redis refuses the housekeeping'));
  await fleet.redis.config('SET', 'maxmemory', '0');
  const before = runs;
  await until('it runs again', () => runs > before);
});
