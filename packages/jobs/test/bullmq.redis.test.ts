import { claimNext, until } from '@comfy-fleet/testing';
import { Queue, QueueEvents } from 'bullmq';
import { Redis } from 'ioredis';
import { expect, inject, it, onTestFinished } from 'vitest';
import { type Fleet, failed, itemEnded, nextClaim, openFleet, POOL, startNext, succeeded } from './builders.js';
import { openHousekeeper } from './housekeepers.js';

/** BullMQ's own classes, as in an operator's tool. */
function openQueue({ keys }: Fleet): Queue {
  const connection = new Redis(inject('redisUrl'), { maxRetriesPerRequest: null });
  const queue = new Queue(keys.queueName(POOL), { connection, prefix: keys.prefix });
  onTestFinished(async () => {
    await queue.close();
    connection.disconnect();
  });
  return queue;
}

it('shows waiting items with name and data, and ended ones with attempts and result', async () => {
  const fleet = await openFleet();
  const queue = openQueue(fleet);
  const source = await fleet.claims();
  const [first, second] = [await fleet.submit({ key: 'anna' }), await fleet.submit({ key: 'anna' })];
  const waiting = await queue.getJobs(['prioritized']);
  expect(waiting.map(({ name, data }) => [name, data])).toEqual(
    Array(2).fill(['text2img', { key: 'anna', workflow: 'text2img', lod: 'sketch', pool: POOL }]),
  );
  const lost = await startNext(source);
  await lost.claim.lose(lost.promptId, 'died');
  const { id } = lost.claim.record;
  expect((await queue.getJobs(['active'])).map((job) => job.id)).toEqual([id]);
  const again = await lost.claim.submit(lost.promptId, 'w1/0');
  expect(again).toBe('ok');
  await lost.claim.finish(succeeded(id), lost.promptId);
  await itemEnded(fleet, id);
  const other = await nextClaim(source);
  await other.finish(failed('node_execution_error'));
  await itemEnded(fleet, other.record.id);
  const [completed] = await queue.getJobs(['completed']);
  expect(completed).toMatchObject({ id, returnvalue: [`${id}_1.png`], attemptsMade: 2, attemptsStarted: 1 });
  const [broken] = await queue.getJobs(['failed']);
  expect(broken).toMatchObject({
    id: other.record.id,
    failedReason: 'node_execution_error: The sampler failed.',
    attemptsMade: 1,
  });
  expect(broken?.stacktrace ?? []).toEqual([]);
  expect([first.record.id, second.record.id].sort()).toEqual([id, other.record.id].sort());
});

/** Adds as many work items as are kept, all older than any job. */
async function fill({ redis, keys }: Fleet): Promise<void> {
  const old = Array.from({ length: 1000 }, (_, n) => [n, `old${n}`]).flat();
  for (const set of [keys.completed(POOL), keys.failed(POOL)]) await redis.zadd(set, ...old);
}

it('keeps the last thousand completed and failed work items', async () => {
  const fleet = await openFleet();
  const queue = openQueue(fleet);
  await fill(fleet);
  const source = await fleet.claims(POOL);
  for (let n = 0; n < 8; n++) {
    const { id } = (await fleet.submit()).record;
    await (await nextClaim(source)).finish(n % 2 === 0 ? succeeded(id) : failed());
  }
  await until('all have ended', async () => (await queue.getActiveCount()) === 0);
  expect([await queue.getCompletedCount(), await queue.getFailedCount()]).toEqual([1000, 1000]);
  expect(await queue.getJobs(['completed', 'failed'], 0, 3)).toHaveLength(8);
});

it.each([
  ['a canceled', 'canceled', (fleet: Fleet, id: string) => fleet.ledger.jobs.cancel(id)],
  ['an overdue', 'expired', (fleet: Fleet) => openHousekeeper(fleet).sweep()],
])('keeps the work item of %s job that nobody has as failed, with the reason', async (_job, failedReason, end) => {
  const fleet = await openFleet();
  const queue = openQueue(fleet);
  const { id } = (await fleet.submit({ startWithinMs: failedReason === 'expired' ? 0 : 60_000 })).record;
  await end(fleet, id);
  await until('it has ended', async () => (await fleet.get(id)).record.status === failedReason);
  expect(await queue.getJobs(['failed'])).toMatchObject([{ id, failedReason, finishedOn: expect.any(Number) }]);
  expect(await queue.getJobCountByTypes('prioritized', 'active', 'delayed', 'wait')).toBe(0);
});

it('keeps the work item of a job that was canceled while a worker held it and then gave it back', async () => {
  const fleet = await openFleet();
  const queue = openQueue(fleet);
  const { id } = (await fleet.submit()).record;
  const claim = await nextClaim(await fleet.claims());
  await fleet.ledger.jobs.cancel(id);
  await claim.release(0);
  expect(await queue.getJobs(['failed'])).toMatchObject([{ id, failedReason: 'canceled' }]);
});

it('keeps the work item of a job whose workers died too often, with code and detail of its error', async () => {
  const fleet = await openFleet();
  const queue = openQueue(fleet);
  const { id } = (await fleet.submit()).record;
  await nextClaim(await fleet.worker('w', { maxWorkerDeaths: 1 }).claims(POOL));
  for await (const claim of (await fleet.worker('w', { maxWorkerDeaths: 1 }).claims(POOL)).leftBehind()) claim.letGo();
  await itemEnded(fleet, id);
  expect((await fleet.get(id)).record.error?.code).toBe('worker_killed');
  const [failed] = await queue.getJobs(['failed']);
  expect(failed).toMatchObject({ id, failedReason: expect.stringMatching(/^worker_killed: The worker died/) });
});

it('keeps the last thousand work items of jobs that ended while waiting', async () => {
  const fleet = await openFleet();
  const failed = fleet.keys.failed(POOL);
  const [first, second] = [(await fleet.submit()).record.id, (await fleet.submit()).record.id];
  await fleet.ledger.jobs.cancel(first);
  await fill(fleet);
  await fleet.redis.zadd(failed, '-1', first);
  await fleet.ledger.jobs.cancel(second);
  expect(await fleet.redis.zcard(failed)).toBe(1000);
  expect(await fleet.redis.zrange(failed, '-1', '-1')).toEqual([second]);
  expect(await fleet.redis.exists(fleet.keys.workItem(POOL, first))).toBe(0);
});

it("emits BullMQ's events for each step of a job", async () => {
  const fleet = await openFleet();
  const connection = new Redis(inject('redisUrl'), { maxRetriesPerRequest: null });
  const events = new QueueEvents(fleet.keys.queueName(POOL), {
    connection,
    prefix: fleet.keys.prefix,
    lastEventId: '0-0',
  });
  onTestFinished(async () => {
    await events.close();
    connection.disconnect();
  });
  await events.waitUntilReady();
  const heard: string[] = [];
  for (const name of ['added', 'waiting', 'active', 'completed', 'paused', 'resumed'] as const) {
    events.on(name, () => void heard.push(name));
  }
  const { id } = (await fleet.submit()).record;
  await (await nextClaim(await fleet.claims())).finish(succeeded(id));
  await until('its end is heard', () => heard.includes('completed'));
  await fleet.ledger.fleet.halt({ kind: 'pool', name: POOL }, 'ada');
  await fleet.ledger.fleet.resume({ kind: 'pool', name: POOL });
  await until('the pause and its end are heard', () => heard.includes('resumed'));
  expect(heard).toEqual(['added', 'waiting', 'active', 'completed', 'paused', 'resumed']);
});

it("pauses the pool with BullMQ's queue and the queue with the pool, and resumes them from either side", async () => {
  const fleet = await openFleet();
  const queue = openQueue(fleet);
  const source = await fleet.claims();
  const { ledger } = fleet;
  const pool = { kind: 'pool', name: POOL } as const;
  await fleet.submit();
  await queue.pause();
  expect(await claimNext(source)).toBeUndefined();
  expect((await ledger.fleet.halts()).pools.get(POOL)).toEqual({ by: 'BullMQ', since: expect.any(Number) });
  expect((await ledger.fleet.overview()).pools[0]?.paused).toBe(true);
  await ledger.fleet.resume(pool);
  expect(await queue.isPaused()).toBe(false);
  await ledger.fleet.halt(pool, 'ada');
  expect(await queue.isPaused()).toBe(true);
  expect((await ledger.fleet.halts()).pools.get(POOL)?.by).toBe('ada');
  expect(await claimNext(source)).toBeUndefined();
  await queue.resume();
  expect((await ledger.fleet.halts()).pools.size).toBe(0);
  expect((await nextClaim(source)).record.status).toBe('queued');
});

it('queues a job again whose work item somebody ended by hand', async () => {
  const fleet = await openFleet();
  const { redis, keys } = fleet;
  const { id } = (await fleet.submit()).record;
  await redis.zrem(keys.prioritized(POOL), id);
  await redis.zadd(keys.failed(POOL), Date.now(), id);
  await redis.hset(keys.workItem(POOL, id), 'finishedOn', Date.now(), 'failedReason', 'by hand');
  await redis.zincrby(keys.open(POOL), -10_000, id);
  await openHousekeeper(fleet).sweep();
  const queue = openQueue(fleet);
  expect(await queue.getFailedCount()).toBe(0);
  expect((await nextClaim(await fleet.claims())).record.id).toBe(id);
});
