import { newId } from '@comfy-fleet/contracts';
import { claimNext, until } from '@comfy-fleet/testing';
import { expect, it } from 'vitest';
import { createWorkQueues } from '../src/queue/work-queues.js';
import { type Fleet, nextClaim, openFleet, POOL, quietLog, startNext, succeeded } from './builders.js';
import { endedLongAgo, items, openHousekeeper } from './housekeepers.js';

async function addItems(fleet: Fleet, ids: readonly string[]): Promise<void> {
  const queues = createWorkQueues(fleet.redis, fleet.keys, quietLog());
  await Promise.all(ids.map((id) => queues.of(POOL).add('job', {}, { jobId: id, priority: 1 })));
  await queues.close();
}

/** A pool is known after its first job. */
async function openUsedFleet(): Promise<{ fleet: Fleet; waiting: string }> {
  const fleet = await openFleet();
  return { fleet, waiting: (await fleet.submit()).record.id };
}

const isThere = async ({ redis, keys }: Fleet, id: string) => (await redis.exists(keys.workItem(POOL, id))) === 1;

it('removes work items whose record is gone completely and once, and keeps those of waiting jobs', async () => {
  const { fleet, waiting } = await openUsedFleet();
  const orphans = Array.from({ length: 1200 }, newId);
  await addItems(fleet, orphans);
  expect(await items(fleet)).toHaveLength(1201);
  const keeper = openHousekeeper(fleet);
  await keeper.sweep();
  expect(await items(fleet)).toEqual([waiting]);
  expect(await isThere(fleet, orphans[0] as string)).toBe(false);
  await keeper.sweep();
  expect(await items(fleet)).toEqual([waiting]);
});

it('removes the item of a job that ended a while ago, but not of one that just ended', async () => {
  const { fleet, waiting } = await openUsedFleet();
  const [past, now] = [(await fleet.submit()).record.id, (await fleet.submit()).record.id];
  for (const id of [past, now]) await fleet.run('cancel', id);
  // A Redis that lost its last second has the old items.
  const { keys } = fleet;
  await fleet.redis.del(keys.failed(POOL), ...[past, now].map((id) => keys.workItem(POOL, id)));
  await addItems(fleet, [past, now]);
  await endedLongAgo(fleet, past);
  // Its end is in the future, so the job still counts as recent if the sweep runs late.
  await fleet.redis.hset(fleet.keys.job(now), 'finished_at', Date.now() + 60_000);
  await openHousekeeper(fleet).sweep();
  expect((await items(fleet)).sort()).toEqual([waiting, now].sort());
});

it('removes items without a job, also delayed ones and ones that were given back', async () => {
  const { fleet, waiting } = await openUsedFleet();
  const [delayed, givenBack] = [newId(), newId()];
  await addItems(fleet, [delayed, givenBack]);
  const { redis, keys } = fleet;
  await redis.zrem(keys.prioritized(POOL), delayed, givenBack);
  await redis.zadd(keys.delayed(POOL), (Date.now() + 60_000) * 4096, delayed);
  await redis.lpush(keys.waitList(POOL), givenBack);
  await openHousekeeper(fleet).sweep();
  expect(await redis.zcard(keys.delayed(POOL))).toBe(0);
  expect(await redis.llen(keys.waitList(POOL))).toBe(0);
  expect([await isThere(fleet, delayed), await isThere(fleet, givenBack)]).toEqual([false, false]);
  expect(await items(fleet)).toEqual([waiting]);
});

it('keeps the items of delayed, claimed and parked jobs', async () => {
  const fleet = await openFleet();
  const source = await fleet.claims();
  const delayed = (await fleet.submit()).record.id;
  await (await nextClaim(source)).release(60_000);
  const held = (await fleet.submit({ key: 'narrow', mostTaken: 1 })).record.id;
  const { claim } = await startNext(source);
  const parked = (await fleet.submit({ key: 'narrow', mostTaken: 1 })).record.id;
  await until('the second is held back', async () => {
    await claimNext(source);
    return (await fleet.redis.sismember(fleet.keys.keysAtLimit(POOL), 'narrow')) === 1;
  });
  await openHousekeeper(fleet).sweep();
  for (const id of [delayed, held, parked]) expect(await isThere(fleet, id)).toBe(true);
  expect(await claim.finish(succeeded(held))).toBe('succeeded');
  expect((await nextClaim(source)).record.id).toBe(parked);
});

it('does not take an item from a worker although its job has no record', async () => {
  const { fleet } = await openUsedFleet();
  const source = await fleet.claims();
  const { claim } = await startNext(source);
  const { id } = claim.record;
  // As in a Redis that lost its last second: the record is gone, the item is active and locked.
  await fleet.redis.del(fleet.keys.job(id));
  await fleet.redis.zrem(fleet.keys.open(POOL), id);
  await openHousekeeper(fleet).sweep();
  expect(await isThere(fleet, id)).toBe(true);
  expect(await fleet.redis.lrange(fleet.keys.active(POOL), 0, -1)).toEqual([id]);
});
