import { newId } from '@comfy-fleet/contracts';
import { until } from '@comfy-fleet/testing';
import { expect, it } from 'vitest';
import { sweep } from '../src/housekeeping/sweep.js';
import { createWorkQueues } from '../src/queue/work-queues.js';
import {
  aJob,
  itemEnded,
  nextClaim,
  openFleet,
  POOL,
  publishedEvents,
  quietLog,
  startNext,
  succeeded,
} from './builders.js';
import { items, openHousekeeper, recordOnly } from './housekeepers.js';

it('adds the missing work item of a job once, and a worker gets the job', async () => {
  const fleet = await openFleet();
  const id = await recordOnly(fleet, 10_000);
  const keeper = openHousekeeper(fleet);
  await keeper.sweep();
  await keeper.sweep();
  expect(await items(fleet)).toEqual([id]);
  expect(await fleet.redis.hget(fleet.keys.workItem(POOL, id), 'priority')).toBe('1');
  const claim = await nextClaim(await fleet.claims());
  expect(claim.record.id).toBe(id);
});

it('adds the work item of a waiting job again after it was removed', async () => {
  const fleet = await openFleet();
  const { id } = (await fleet.submit()).record;
  const queues = createWorkQueues(fleet.redis, fleet.keys, quietLog());
  await queues.of(POOL).remove(id);
  await queues.close();
  await fleet.redis.zincrby(fleet.keys.open(POOL), -10_000, id);
  await openHousekeeper(fleet).sweep();
  expect(await items(fleet)).toEqual([id]);
});

it('leaves a job that is just being created to the next sweep', async () => {
  const fleet = await openFleet();
  // As young as possible, however late the sweep runs.
  await recordOnly(fleet, -60_000);
  await openHousekeeper(fleet).sweep();
  expect(await items(fleet)).toEqual([]);
});

it('adds nothing for jobs that are waiting, claimed or ended', async () => {
  const fleet = await openFleet();
  const source = await fleet.claims();
  const ended = (await fleet.submit()).record.id;
  await (await nextClaim(source)).finish(succeeded(ended));
  await itemEnded(fleet, ended);
  const held = (await fleet.submit()).record.id;
  await startNext(source);
  const waiting = (await fleet.submit()).record.id;
  for (const id of [held, waiting]) await fleet.redis.zincrby(fleet.keys.open(POOL), -10_000, id);
  await openHousekeeper(fleet).sweep();
  expect(await items(fleet)).toEqual([waiting]);
  expect(await fleet.redis.zrange(fleet.keys.completed(POOL), '0', '-1')).toEqual([ended]);
});

it('adds the missing items of more jobs than one page holds', async () => {
  const fleet = await openFleet();
  const ids = await Promise.all(Array.from({ length: 520 }, () => recordOnly(fleet, 10_000)));
  await openHousekeeper(fleet).sweep();
  expect((await items(fleet)).sort()).toEqual(ids.sort());
});

it('expires a waiting job whose start deadline has passed, and removes its work item', async () => {
  const fleet = await openFleet();
  const { id } = (await fleet.submit({ startWithinMs: -5000 })).record;
  const published = await publishedEvents(fleet, id);
  await openHousekeeper(fleet).sweep();
  expect((await fleet.get(id)).record).toMatchObject({ status: 'expired', phase: 'ended', startedAt: null });
  expect(await published()).toEqual([{ type: 'status', status: 'expired' }]);
  expect(await items(fleet)).toEqual([]);
  expect(await fleet.redis.zcard(fleet.keys.deadlines)).toBe(0);
});

it('expires the jobs of a page at once, not one after the other, and skips claimed ones', async () => {
  const fleet = await openFleet();
  const { redis, keys } = fleet;
  const source = await fleet.claims();
  const held: string[] = [];
  while (held.length < 3) {
    held.push((await fleet.submit()).record.id);
    await nextClaim(source);
  }
  for (const id of held) await redis.hset(keys.job(id), 'start_deadline', 1);
  await redis.zadd(keys.deadlines, ...held.flatMap((id) => [1, id]));
  const { ids } = await fleet.ledger.orders.create({
    caller: 'anonymous',
    jobs: Array.from({ length: 250 }, () => aJob({ startWithinMs: -5000 })),
  });
  const queues = createWorkQueues(redis, keys, quietLog());
  let asked = 0;
  const expire = async (id: string) => {
    asked += 1;
    await until('a whole page was asked for', () => asked >= 200);
    return (await fleet.run('expire', id)) === 1;
  };
  await sweep({ redis, keys, queues, expire, log: quietLog() });
  await queues.close();
  expect(await redis.zrange(keys.deadlines, '0', '-1')).toEqual(held.sort());
  expect(await items(fleet)).toEqual([]);
  const statuses = await Promise.all(ids.map(async (id) => (await fleet.get(id)).record.status));
  expect(new Set(statuses)).toEqual(new Set(['expired']));
});

it('expires ten thousand overdue jobs in one sweep, and the rest in the next', async () => {
  const fleet = await openFleet();
  const { redis, keys } = fleet;
  await redis.zadd(keys.deadlines, ...Array.from({ length: 10_100 }, () => [1, newId()]).flat());
  const keeper = openHousekeeper(fleet);
  await keeper.sweep();
  expect(await redis.zcard(keys.deadlines)).toBe(100);
  await keeper.sweep();
  expect(await redis.zcard(keys.deadlines)).toBe(0);
});

it('expires an overdue job that a claim has found', async () => {
  const fleet = await openFleet();
  const { id } = (await fleet.submit({ startWithinMs: -5000 })).record;
  const later = (await fleet.submit()).record.id;
  const claim = await nextClaim(await fleet.claims());
  expect(claim.record.id).toBe(later);
  await openHousekeeper(fleet).sweep();
  expect((await fleet.get(id)).record).toMatchObject({ status: 'expired', claim: 0 });
});

it('expires a delayed job that was never submitted', async () => {
  const fleet = await openFleet();
  const { id } = (await fleet.submit()).record;
  await (await nextClaim(await fleet.claims())).release(60_000);
  await fleet.redis.hset(fleet.keys.job(id), 'start_deadline', 1);
  await fleet.redis.zadd(fleet.keys.deadlines, 1, id);
  await openHousekeeper(fleet).sweep();
  expect((await fleet.get(id)).record.status).toBe('expired');
});

it('does not expire a job that is claimed, running, given back with a submission, or not due', async () => {
  const fleet = await openFleet();
  const source = await fleet.claims();
  const overdue = async () => {
    const { id } = (await fleet.submit()).record;
    return { id, claim: await nextClaim(source) };
  };
  const [held, run, givenBack] = [await overdue(), await overdue(), await overdue()];
  await run.claim.submit('prompt 1', 'w1/0');
  await run.claim.start('prompt 1');
  await givenBack.claim.submit('prompt 2', 'w1/0');
  await givenBack.claim.release(60_000);
  const onTime = (await fleet.submit()).record.id;
  for (const { id } of [held, run, givenBack]) {
    await fleet.redis.hset(fleet.keys.job(id), 'start_deadline', 1);
    await fleet.redis.zadd(fleet.keys.deadlines, 1, id);
  }
  await openHousekeeper(fleet).sweep();
  const statuses = await Promise.all(
    [held.id, run.id, givenBack.id, onTime].map(async (id) => (await fleet.get(id)).record.status),
  );
  expect(statuses).toEqual(['queued', 'running', 'queued', 'queued']);
});

it('removes a deadline whose job is gone', async () => {
  const fleet = await openFleet();
  await fleet.redis.zadd(fleet.keys.deadlines, 1, newId());
  await openHousekeeper(fleet).sweep();
  expect(await fleet.redis.zcard(fleet.keys.deadlines)).toBe(0);
});
