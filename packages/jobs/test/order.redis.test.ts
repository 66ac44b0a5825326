import { newId, type ResolvedRequest } from '@comfy-fleet/contracts';
import { until } from '@comfy-fleet/testing';
import { expect, it } from 'vitest';
import { rankStep } from '../src/callers/new-order.js';
import type { ClaimSource } from '../src/index.js';
import { type Fleet, nextClaim, openFleet, POOL, succeeded } from './builders.js';

/** Steps as the shipped profiles have them. */
const SKETCH = 8;
const FINAL = 48;

interface Wish {
  readonly key?: string;
  readonly lod?: ResolvedRequest['lod'];
  readonly priority?: number;
}

function add(fleet: Fleet, { key = 'anna', lod = 'sketch', priority = 0 }: Wish = {}) {
  const step = lod === 'sketch' ? SKETCH : FINAL;
  return fleet.submit({ id: newId(), key, rankStep: step, request: { lod, priority } }).then(({ record }) => record.id);
}

async function addAll(fleet: Fleet, wishes: Wish[]): Promise<string[]> {
  const ids: string[] = [];
  for (const wish of wishes) ids.push(await add(fleet, wish));
  return ids;
}

/** Claims and ends jobs one after the other; answers their ids in the order in which they were claimed. */
async function serve(source: ClaimSource, count: number): Promise<string[]> {
  const order: string[] = [];
  for (let n = 0; n < count; n++) {
    const claim = await nextClaim(source);
    order.push(claim.record.id);
    await claim.finish(succeeded(claim.record.id));
  }
  return order;
}

const times = <T>(count: number, value: T): T[] => Array.from({ length: count }, () => value);

it('serves one flow first in, first out', async () => {
  const fleet = await openFleet();
  const ids = await addAll(fleet, times(10, {}));
  expect(await serve(await fleet.claims(), 10)).toEqual(ids);
});

it('alternates between two keys that both flood the pool, whoever came first', async () => {
  const fleet = await openFleet();
  const anna = await addAll(fleet, times(6, { key: 'anna' }));
  const bert = await addAll(fleet, times(6, { key: 'bert' }));
  const expected = anna.flatMap((id, n) => [id, bert[n]]);
  expect(await serve(await fleet.claims(), 12)).toEqual(expected);
});

it('serves the first job of another key right after the one at work, whatever a flood waits', async () => {
  const fleet = await openFleet();
  const source = await fleet.claims();
  const flood = await addAll(fleet, times(50, { key: 'anna' }));
  expect(await serve(source, 3)).toEqual(flood.slice(0, 3));
  const first = await add(fleet, { key: 'bert' });
  expect(await serve(source, 2)).toEqual([flood[3], first]);
});

it('lets a sketch pass a wall of finals, of its own key and of others', async () => {
  const fleet = await openFleet();
  const finals = await addAll(fleet, [
    ...times(10, { lod: 'final' as const }),
    ...times(10, { key: 'bert', lod: 'final' as const }),
  ]);
  const sketch = await add(fleet);
  const order = await serve(await fleet.claims(), 21);
  expect(order[0]).toBe(sketch);
  expect(order.slice(1).sort()).toEqual(finals.sort());
});

it('lets a job of priority 2 pass the waiting ones of its own key, and one of priority -2 let others pass', async () => {
  const fleet = await openFleet();
  const low = await add(fleet, { priority: -2 });
  const normal = await addAll(fleet, times(5, {}));
  const high = await add(fleet, { priority: 2 });
  const order = await serve(await fleet.claims(), 7);
  expect(order[0]).toBe(high);
  expect(order.filter((id) => id !== high && id !== low)).toEqual(normal);
  expect(order.indexOf(low)).toBe(4);
});

it('claims a final among endless sketches of two keys within the bound that the steps imply', async () => {
  const fleet = await openFleet();
  const source = await fleet.claims();
  await addAll(fleet, [...times(10, { key: 'anna' }), ...times(10, { key: 'bert' })]);
  await serve(source, 4);
  const final = await add(fleet, { key: 'cora', lod: 'final' });
  // Each key's flow advances by one sketch's step per job: so many of both may have a rank up to the final's.
  const bound = 2 * (FINAL / SKETCH);
  const passed: string[] = [];
  while (!passed.includes(final)) {
    expect(passed.length).toBeLessThanOrEqual(bound);
    await addAll(fleet, [{ key: 'anna' }, { key: 'bert' }]);
    passed.push(...(await serve(source, 1)));
  }
  expect(passed.length).toBeGreaterThan(SKETCH / 2);
});

it('gives each pool an order of its own', async () => {
  const fleet = await openFleet();
  await addAll(fleet, times(5, {}));
  const small = await fleet.submit({ pool: 'small' });
  expect(small).toMatchObject({ ahead: 0, record: { rank: 8, pool: 'small' } });
  const claim = await nextClaim(await fleet.claims('small'));
  expect(claim.record.id).toBe(small.record.id);
});

it('says how many jobs will be claimed before a waiting one', async () => {
  const fleet = await openFleet();
  const finals = await addAll(fleet, times(2, { lod: 'final' as const }));
  const sketch = await add(fleet);
  const ahead = async () => Promise.all([sketch, ...finals].map(async (id) => (await fleet.get(id)).ahead));
  expect(await ahead()).toEqual([0, 1, 2]);
  await nextClaim(await fleet.claims());
  expect(await ahead()).toEqual([null, 0, 1]);
});

it('forgets V and the flows when the pool has no open job left, and starts again from nothing', async () => {
  const fleet = await openFleet();
  const source = await fleet.claims();
  await addAll(fleet, [{ key: 'anna' }, { key: 'bert' }]);
  await serve(source, 1);
  expect(await fleet.redis.hgetall(fleet.keys.ranks(POOL))).toEqual({
    V: `${SKETCH}`,
    'flow:anna|sketch|0': `${SKETCH}`,
    'flow:bert|sketch|0': `${SKETCH}`,
  });
  await serve(source, 1);
  expect(await fleet.redis.exists(fleet.keys.ranks(POOL))).toBe(0);
  expect((await fleet.submit()).record.rank).toBe(SKETCH);
});

it('clamps ranks at the ceiling of BullMQ and serves the clamped ones first in, first out', async () => {
  const fleet = await openFleet();
  await add(fleet);
  await fleet.redis.hset(fleet.keys.ranks(POOL), 'flow:anna|final|0', 2_097_151 - FINAL - 1);
  const ids = await addAll(fleet, times(4, { lod: 'final' as const }));
  const ranks = await Promise.all(ids.map(async (id) => (await fleet.get(id)).record.rank));
  expect(ranks).toEqual([2_097_150, 2_097_151, 2_097_151, 2_097_151]);
  expect((await serve(await fleet.claims(), 5)).slice(1)).toEqual(ids);
});

it.each([
  [8, 0, 8],
  [8, 1, 4],
  [8, 2, 2],
  [8, -1, 16],
  [8, -2, 32],
  [1, 2, 1],
  [3, 1, 2],
])('makes of the profile step %i at priority %i a step of %i', (profile, priority, expected) => {
  expect(rankStep(profile, priority, 1)).toBe(expected);
});

it.each([
  [8, 2, 4],
  [8, 0.5, 16],
  [1, 100, 1],
])('makes of the profile step %i at weight %d of the key a step of %i', (profile, weight, expected) => {
  expect(rankStep(profile, 0, weight)).toBe(expected);
});

it('tells a job that rests after it was given back its place by its rank', async () => {
  const fleet = await openFleet();
  const source = await fleet.claims();
  const early = await add(fleet, { key: 'anna' });
  const late = await add(fleet, { key: 'bert', lod: 'final' });
  const [first, second] = [await nextClaim(source), await nextClaim(source)];
  expect([first.record.id, second.record.id]).toEqual([early, late]);
  await second.release(60_000);
  await until('it rests, first in line', async () => (await fleet.get(late)).ahead === 0);
  await add(fleet, { key: 'carl', lod: 'final' });
  expect((await fleet.get(late)).ahead).toBe(0);
  await first.release(60_000);
  await fleet.redis.zadd(fleet.keys.prioritized(POOL), 7 * 2 ** 32, 'one with a lower rank');
  expect((await fleet.get(late)).ahead).toBe(1);
});
