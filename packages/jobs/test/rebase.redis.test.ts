import { newId } from '@comfy-fleet/contracts';
import { until } from '@comfy-fleet/testing';
import { expect, it } from 'vitest';
import { runScript } from '../src/connection.js';
import { createWorkQueues } from '../src/queue/work-queues.js';
import { type Fleet, nextClaim, openFleet, POOL, quietLog, succeeded } from './builders.js';
import { openKeeper } from './keepers.js';

const THRESHOLD = 1_000_000;

const setV = (fleet: Fleet, v: number) => fleet.redis.hset(fleet.keys.ranks(POOL), 'V', v);
const rebase = (fleet: Fleet) =>
  runScript(fleet.redis, 'rebase', fleet.keys.ranks(POOL), [fleet.keys.prefix, POOL, THRESHOLD]);

/** The rank in the work item's score, and the one on the record. */
async function ranks(fleet: Fleet, id: string): Promise<[queued: number | null, recorded: number]> {
  const score = await fleet.redis.zscore(fleet.keys.prioritized(POOL), id);
  return [score === null ? null : Math.floor(Number(score) / 2 ** 32), (await fleet.get(id)).record.rank];
}

it('changes nothing while V is below the threshold', async () => {
  const fleet = await openFleet();
  await setV(fleet, THRESHOLD - 1);
  const { id } = (await fleet.submit()).record;
  expect(await rebase(fleet)).toBe(0);
  expect(await ranks(fleet, id)).toEqual([THRESHOLD + 7, THRESHOLD + 7]);
});

it('lowers V, the flows, the records and the work items by the same amount, and new jobs go on from there', async () => {
  const fleet = await openFleet();
  await setV(fleet, THRESHOLD);
  const [first, second] = [(await fleet.submit()).record, (await fleet.submit()).record];
  const subtracted = Number(await rebase(fleet));
  expect(subtracted).toBeGreaterThanOrEqual(THRESHOLD / 2);
  const low = THRESHOLD - subtracted;
  expect(await fleet.redis.hgetall(fleet.keys.ranks(POOL))).toEqual({
    V: `${low}`,
    'flow:anonymous|sketch|0': `${low + 16}`,
  });
  expect(await ranks(fleet, first.id)).toEqual([low + 8, low + 8]);
  expect(await ranks(fleet, second.id)).toEqual([low + 16, low + 16]);
  expect((await fleet.submit()).record.rank).toBe(low + 24);
  expect(await rebase(fleet)).toBe(0);
});

it('keeps the order of waiting, delayed, given back and re-enqueued jobs', async () => {
  const fleet = await openFleet();
  const source = await fleet.claims();
  await setV(fleet, THRESHOLD - 20);
  const job = (key: string, rankStep: number) =>
    fleet.submit({ id: newId(), key, rankStep }).then(({ record }) => record.id);
  // Three of the ranks will be V or below; the order of adding is not the order of ranks.
  const [waitingLast, delayedThird, waitingSecond, lost, delayedFirst] = [
    await job('e', 27),
    await job('c', 22),
    await job('b', 21),
    await job('d', 24),
    await job('a', 5),
  ];
  const held = [await nextClaim(source), await nextClaim(source), await nextClaim(source)];
  expect(held.map(({ record }) => record.id)).toEqual([delayedFirst, waitingSecond, delayedThird]);
  await held[2]?.release(60_000);
  await held[0]?.release(60_000);
  await until('two are delayed', async () => (await fleet.redis.zcard(fleet.keys.delayed(POOL))) === 2);
  await held[1]?.release(0);
  const queues = createWorkQueues(fleet.redis, fleet.keys, quietLog());
  await queues.remove(POOL, lost);

  // V is now the highest rank of the three claims, just above the threshold.
  expect(Number(await rebase(fleet))).toBeGreaterThan(0);

  await queues.add({ pool: POOL, id: lost, rank: (await fleet.get(lost)).record.rank });
  await queues.close();
  // Lets the delayed ones become due, as time would, the one of the highest rank first.
  await fleet.redis.zadd(fleet.keys.delayed(POOL), 1, delayedThird, 2, delayedFirst);
  const order: string[] = [];
  while (order.length < 5) {
    const claim = await nextClaim(source);
    order.push(claim.record.id);
    await claim.finish(succeeded(claim.record.id));
  }
  expect(order).toEqual([delayedFirst, waitingSecond, delayedThird, lost, waitingLast]);
});

it('leaves every work item with the rank on its record when jobs are created during rebases', async () => {
  const fleet = await openFleet();
  const ids: string[] = [];
  for (let round = 0; round < 30; round++) {
    await setV(fleet, THRESHOLD + round);
    const [created] = await Promise.all([fleet.submit(), rebase(fleet)]);
    ids.push(created.record.id);
  }
  for (const id of ids) {
    const [queued, recorded] = await ranks(fleet, id);
    expect(queued).toBe(recorded);
    expect(recorded).toBeLessThan(THRESHOLD);
  }
});

it('runs as a part of the sweep', async () => {
  const fleet = await openFleet();
  await setV(fleet, THRESHOLD + 5);
  const { id } = (await fleet.submit()).record;
  await openKeeper(fleet).sweep();
  const [queued, recorded] = await ranks(fleet, id);
  expect(recorded).toBeLessThan(THRESHOLD / 2);
  expect(queued).toBe(recorded);
});
