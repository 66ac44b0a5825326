import { newId, type ResolvedRequest } from '@comfy-fleet/contracts';
import { until } from '@comfy-fleet/testing';
import { describe, expect, it } from 'vitest';
import type { Asker, ClaimSource } from '../src/index.js';
import { aFrame, countCommands, type Fleet, nextClaim, openFleet, POOL, startNext } from './builders.js';
import { openHousekeeper } from './housekeepers.js';

interface JobOptions {
  readonly key?: string;
  readonly weight?: number;
  readonly lod?: ResolvedRequest['lod'];
  readonly priority?: number;
  readonly steps?: number;
}

function add(fleet: Fleet, { key = 'anna', weight = 1, lod = 'sketch', priority = 0, steps = 8 }: JobOptions = {}) {
  return fleet.submit({ id: newId(), key, weight, request: { lod, priority, steps } }).then(({ record }) => record.id);
}

async function addAll(fleet: Fleet, orders: JobOptions[]): Promise<string[]> {
  const ids: string[] = [];
  for (const options of orders) ids.push(await add(fleet, options));
  return ids;
}

/** Claims and ends jobs one after the other; returns their ids in the order of the claims. */
async function serve(source: ClaimSource, count: number): Promise<string[]> {
  const order: string[] = [];
  for (let n = 0; n < count; n++) {
    const claim = await nextClaim(source);
    order.push(claim.record.id);
    await claim.finish({ status: 'succeeded', outputs: [aFrame(claim.record.id)], executedMs: 1000 });
  }
  return order;
}

/** Lets one GPU work for so long; returns how much each key got. A job takes a tenth of a second for each of its steps. */
async function shares(source: ClaimSource, gpuMs: number): Promise<Record<string, number>> {
  const used: Record<string, number> = {};
  for (let spent = 0; spent < gpuMs; ) {
    const { record, finish } = await nextClaim(source);
    const ms = 100 * Number(record.request.inputs.steps);
    await finish({ status: 'succeeded', outputs: [aFrame(record.id)], executedMs: ms });
    used[record.key] = (used[record.key] ?? 0) + ms;
    spent += ms;
  }
  return used;
}

const times = <T>(count: number, value: T): T[] => Array.from({ length: count }, () => value);

it('serves similar jobs of one key first in, first out', async () => {
  const fleet = await openFleet();
  const ids = await addAll(fleet, times(10, {}));
  expect(await serve(await fleet.claims(), 10)).toEqual(ids);
});

it('alternates between two keys that flood the pool, whichever came first', async () => {
  const fleet = await openFleet();
  const anna = await addAll(fleet, times(6, { key: 'anna' }));
  const bert = await addAll(fleet, times(6, { key: 'bert' }));
  const expected = anna.flatMap((id, n) => [id, bert[n]]);
  expect(await serve(await fleet.claims(), 12)).toEqual(expected);
});

it('serves the first job of another key right after the running one, however many jobs of a flood wait', async () => {
  const fleet = await openFleet();
  const source = await fleet.claims();
  const flood = await addAll(fleet, times(50, { key: 'anna', priority: 2 }));
  expect(await serve(source, 3)).toEqual(flood.slice(0, 3));
  const first = await add(fleet, { key: 'bert', lod: 'direct_final', priority: -2 });
  expect((await serve(source, 2)).includes(first)).toBe(true);
});

it('does not let a key save up GPU time while it is idle', async () => {
  const fleet = await openFleet();
  const source = await fleet.claims();
  await addAll(fleet, times(40, { key: 'anna' }));
  await serve(source, 20);
  await addAll(fleet, times(20, { key: 'bert' }));
  const keys = await Promise.all((await serve(source, 8)).map(async (id) => (await fleet.get(id)).record.key));
  expect(keys.filter((key) => key === 'bert')).toHaveLength(4);
});

it('serves the jobs of a key by priority, then by level of detail, then by age', async () => {
  const fleet = await openFleet();
  const orders = [
    { priority: -2 },
    { lod: 'final' as const },
    { lod: 'mid' as const },
    {},
    { priority: 1, lod: 'direct_final' as const },
    {},
    { priority: 2, lod: 'final' as const },
  ];
  const ids = await addAll(fleet, orders);
  expect(await serve(await fleet.claims(), 7)).toEqual([6, 4, 3, 5, 2, 1, 0].map((n) => ids[n]));
});

it('lets a bounded number of later jobs overtake a job', async () => {
  const fleet = await openFleet();
  const source = await fleet.claims(POOL, { maxOvertakes: 5 });
  const [low] = await addAll(fleet, [{ priority: -2 }, ...times(3, {})]);
  const order: string[] = [];
  while (!order.includes(low as string)) {
    await add(fleet, { priority: 2 });
    order.push(...(await serve(source, 1)));
  }
  expect(order).toHaveLength(6);
});

it('gives two keys GPU time by weight, whatever levels, priorities and lengths they send', async () => {
  const fleet = await openFleet();
  const lods = ['sketch', 'mid', 'final', 'direct_final'] as const;
  // One key sends short jobs over twenty levels, the other one level with jobs eight times as long.
  const many = Array.from({ length: 300 }, (_, n) => ({
    key: 'anna',
    weight: 3,
    lod: lods[n % 4] as (typeof lods)[number],
    priority: (n % 5) - 2,
    steps: 10,
  }));
  await addAll(fleet, many);
  await addAll(fleet, times(20, { key: 'bert', lod: 'final' as const, steps: 80 }));
  const { anna = 0, bert = 0 } = await shares(await fleet.claims(), 240_000);
  expect(anna / bert).toBeGreaterThan(2.7);
  expect(anna / bert).toBeLessThan(3.3);
});

it('serves a key in its turn that began while another key had jobs in work, which it then canceled', async () => {
  const fleet = await openFleet();
  const source = await fleet.claims();
  await addAll(fleet, times(9, { key: 'mallory' }));
  const held = [];
  for (let n = 0; n < 6; n++) held.push(await nextClaim(source));
  const [bert] = await addAll(fleet, [{ key: 'bert' }]);
  for (const claim of held) {
    await fleet.ledger.jobs.cancel(claim.record.id);
    await claim.finish({ status: 'canceled' });
  }
  const served = [];
  for (let n = 0; n < 2; n++) {
    const { record, finish } = await nextClaim(source);
    served.push(record.id);
    await finish({ status: 'succeeded', outputs: [aFrame(record.id)], executedMs: 1000 });
  }
  expect(served).toContain(bert);
});

it('charges a key the real cost of its job, also if it failed', async () => {
  const fleet = await openFleet();
  const source = await fleet.claims();
  await addAll(fleet, [{ key: 'anna' }, { key: 'anna' }, { key: 'bert' }, { key: 'bert' }, { key: 'bert' }]);
  const [anna, bert] = [await nextClaim(source), await nextClaim(source)];
  await anna.finish({ status: 'succeeded', outputs: [aFrame(anna.record.id)], executedMs: 50_000 });
  // This job never used a GPU.
  await bert.finish({ status: 'failed', error: { code: 'node_execution_error', detail: 'no', nodeId: null } });
  const keys = await Promise.all((await serve(source, 3)).map(async (id) => (await fleet.get(id)).record.key));
  expect(keys).toEqual(['bert', 'bert', 'anna']);
});

it('charges a key for a long job while it runs, whatever such jobs took before', async () => {
  const fleet = await openFleet();
  const source = await fleet.claims();
  await addAll(fleet, [{ key: 'anna' }]);
  const quick = await nextClaim(source);
  await addAll(fleet, [...times(4, { key: 'anna' }), ...times(4, { key: 'bert' })]);
  await quick.finish({ status: 'succeeded', outputs: [aFrame(quick.record.id)], executedMs: 1 });
  const { claim, promptId } = await startNext(source);
  const { id, key } = claim.record;
  await fleet.redis.hset(fleet.keys.job(id), 'started_at', Date.now() - 100_000);
  expect(await claim.check()).toBe('ok');
  const others = [await nextClaim(source), await nextClaim(source), await nextClaim(source)];
  expect(others.map(({ record }) => record.key)).not.toContain(key);
  await claim.finish({ status: 'succeeded', outputs: [aFrame(id)], executedMs: 1000 }, promptId);
  expect((await nextClaim(source)).record.key).toBe(key);
});

it('gives a key whose jobs take long fewer of them at once, even if most of them are tiny', async () => {
  const fleet = await openFleet();
  const source = await fleet.claims();
  const end = async (executedMs: number) => {
    const { finish, record } = await nextClaim(source);
    await finish({ status: 'succeeded', outputs: [aFrame(record.id)], executedMs });
  };
  await addAll(fleet, [{ key: 'anna' }]);
  await end(1);
  await addAll(fleet, times(15, { key: 'bert' }));
  for (const executedMs of [60_000, ...times(14, 20)]) await end(executedMs);
  await addAll(fleet, [...times(20, { key: 'anna' }), ...times(20, { key: 'bert' })]);
  // Both have used the same, so only what their jobs in work count for makes a difference.
  await fleet.redis.hset(fleet.keys.schedule(POOL), 'time anna', '60000', 'time bert', '60000');
  const keys: string[] = [];
  for (let n = 0; n < 14; n++) keys.push((await nextClaim(source)).record.key);
  expect(keys.filter((key) => key === 'bert')).toHaveLength(2);
});

it('gives a key one job at a time beside others until it is known how long its jobs take', async () => {
  const fleet = await openFleet();
  const source = await fleet.claims();
  const claim = async () => (await nextClaim(source)).record.key;
  await addAll(fleet, [{ key: 'anna' }]);
  await serve(source, 1);
  await addAll(fleet, [...times(12, { key: 'anna' }), ...times(3, { key: 'bert' })]);
  const keys: string[] = [];
  for (let n = 0; n < 10; n++) keys.push(await claim());
  expect(keys.filter((key) => key === 'bert')).toHaveLength(1);
});

it('does not count as saved up what the jobs of a key in work will use', async () => {
  const fleet = await openFleet();
  const source = await fleet.claims();
  await addAll(fleet, [{ key: 'anna' }, { key: 'bert' }]);
  const schedule = fleet.keys.schedule(POOL);
  const times = { present: 1_000_000, 'time anna': 900_000, 'ahead anna': 50_000 };
  await fleet.redis.hset(schedule, times);
  await fleet.redis.zadd(fleet.keys.keysToServe(POOL), 950_000, 'anna', 2_000_000, 'bert');
  expect((await nextClaim(source)).record.key).toBe('anna');
  expect(await fleet.redis.hget(schedule, 'time anna')).toBe('900050');
});

describe('what a key saved is measured', () => {
  const asker: Asker = { name: 'w/0', fit: (_affinity, { request }) => (request.inputs.sampler === 'ddim' ? -1 : 0) };

  async function openWith(presents: Readonly<Record<string, number>>) {
    const fleet = await openFleet();
    const { redis, keys } = fleet;
    await add(fleet);
    await redis.hset(keys.schedule(POOL), { present: 1_000_000, 'time anna': 1000 });
    await redis.zadd(keys.keysToServe(POOL), 1000, 'anna');
    await redis.zadd(keys.presents(POOL), ...Object.entries(presents).flatMap(([name, time]) => [time, name]));
    return { fleet, source: await fleet.claims(), timeOfAnna: () => redis.hget(keys.schedule(POOL), 'time anna') };
  }

  it('by the keys that the instance served, also behind many whose jobs it cannot run', async () => {
    const { fleet, source, timeOfAnna } = await openWith({ 'w/0': 2000, 'w/1': 900_000 });
    for (let n = 0; n < 33; n++) await fleet.submit({ key: `unable ${n}`, request: { sampler: 'ddim' } });
    await fleet.redis.zadd(fleet.keys.keysToServe(POOL), 500_000, 'anna');
    expect(await source.nextFor(asker)).toMatchObject({ record: { key: 'anna' } });
    expect(await timeOfAnna()).toBe('1050');
  });

  it('by those of the instance whose keys are furthest back, after it got nothing', async () => {
    const { source, timeOfAnna } = await openWith({ 'w/0': 2000, 'w/1': 900_000, 'w/2': 500_000 });
    expect(await source.nextFor({ ...asker, refusals: { keys: ['anna'], queues: [] } })).toBe('left');
    expect(await source.nextFor(asker)).toMatchObject({ record: { key: 'anna' } });
    expect(await timeOfAnna()).toBe('440050');
  });

  it('by the keys that the instance served, after one of its slots got nothing while it executed', async () => {
    const { source, timeOfAnna } = await openWith({ 'w/0': 2000, 'w/1': 900_000 });
    const busy: Asker = { ...asker, isIdle: () => false };
    expect(await source.nextFor({ ...busy, refusals: { keys: ['anna'], queues: [] } })).toBe('left');
    expect(await source.nextFor(busy)).toMatchObject({ record: { key: 'anna' } });
    expect(await timeOfAnna()).toBe('1050');
  });

  it('by the keys that the instance served, but only counts there', async () => {
    const { fleet, source, timeOfAnna } = await openWith({ 'w/0': 900_000, 'w/1': 2000 });
    await addAll(fleet, [{ key: 'anna' }, { key: 'anna' }, { key: 'bert' }]);
    await fleet.redis.hset(fleet.keys.schedule(POOL), { 'time bert': 500_000 });
    await fleet.redis.zadd(fleet.keys.keysToServe(POOL), 500_000, 'bert');
    expect(await source.nextFor(asker)).toMatchObject({ record: { key: 'anna' } });
    expect(await timeOfAnna()).toBe('1050');
    expect(await source.nextFor(asker)).toMatchObject({ record: { key: 'bert' } });
    expect(await source.nextFor({ ...asker, name: 'w/1' })).toMatchObject({ record: { key: 'anna' } });
  });

  it('by those that any instance served, after all got nothing or no work', async () => {
    const { fleet, source, timeOfAnna } = await openWith({ 'w/1': 500_000 });
    await openHousekeeper(fleet).sweep();
    expect(await source.nextFor(asker)).toMatchObject({ record: { key: 'anna' } });
    expect(await timeOfAnna()).toBe('940050');
  });
});

it('lets a key that comes begin in the place of the next key, whose jobs in work count', async () => {
  const fleet = await openFleet();
  await addAll(fleet, [{ key: 'anna' }]);
  await fleet.redis.hset(fleet.keys.schedule(POOL), { present: 1_000_000 });
  await fleet.redis.zadd(fleet.keys.keysToServe(POOL), 600_000, 'anna');
  await addAll(fleet, [{ key: 'bert' }]);
  expect(await fleet.redis.zscore(fleet.keys.keysToServe(POOL), 'bert')).toBe('600000');
});

it('charges a key for the slot of a job that is not submitted yet, once', async () => {
  const fleet = await openFleet();
  const source = await fleet.claims();
  await addAll(fleet, [...times(4, { key: 'anna' }), ...times(4, { key: 'bert' })]);
  const claim = await nextClaim(source);
  const { id, key } = claim.record;
  const waitsFor = (ms: number) => fleet.redis.hset(fleet.keys.job(id), 'claimed_at', Date.now() - ms);
  const timeOf = async () => Number(await fleet.redis.hget(fleet.keys.schedule(POOL), `time ${key}`));
  const before = await timeOf();
  await waitsFor(5000);
  expect(await claim.check()).toBe('ok');
  expect(await timeOf()).toBe(before + 5000);
  // Its worker did not check it for a minute, as while the store fails.
  await waitsFor(60_000);
  await claim.submit(newId(), 'w/0');
  const after = await timeOf();
  expect(after).toBe(before + 10_000);
  expect(await claim.check()).toBe('ok');
  expect(await timeOf()).toBe(after);
});

it('gives each pool its own order', async () => {
  const fleet = await openFleet();
  await addAll(fleet, times(5, {}));
  const small = await fleet.submit({ pool: 'small' });
  expect(small).toMatchObject({ ahead: 0, record: { pool: 'small' } });
  const claim = await nextClaim(await fleet.claims('small'));
  expect(claim.record.id).toBe(small.record.id);
});

it('reports how many jobs will be claimed before a waiting one, of its own key and of others', async () => {
  const fleet = await openFleet();
  const finals = await addAll(fleet, times(2, { lod: 'final' as const }));
  const sketch = await add(fleet);
  const ahead = (ids: string[]) => Promise.all(ids.map(async (id) => (await fleet.get(id)).ahead));
  expect(await ahead([sketch, ...finals])).toEqual([0, 1, 2]);
  const others = await addAll(fleet, times(3, { key: 'bert' }));
  // The two keys alternate, and anna's is next.
  expect(await ahead([sketch, ...finals])).toEqual([0, 2, 4]);
  expect(await ahead(others)).toEqual([1, 3, 5]);
  await nextClaim(await fleet.claims());
  expect(await ahead([sketch, ...finals])).toEqual([null, 1, 3]);
});

it('reads the other keys once for the places of all jobs of a list', async () => {
  const fleet = await openFleet();
  const { keys, ledger } = fleet;
  await addAll(fleet, [{ key: 'aaron' }, ...times(12, { key: 'anna' })]);
  const count = await countCommands(fleet);
  const { jobs } = await ledger.jobs.list('anna', { filter: {}, cursor: undefined, limit: 12 });
  expect(jobs.map(({ ahead }) => ahead)).toEqual(times(12, 0).map((_, n) => 12 - n));
  await until('all places are seen to be read', () => count('ZCOUNT', keys.affinityQueue(POOL, '')) === 11);
  expect(count('HMGET', `${keys.schedule(POOL)}" "arrived aaron`)).toBe(1);
});

it('counts the jobs of the first sixteen affinity queues before a job, and one job of each other', async () => {
  const fleet = await openFleet();
  const samplers = times(2, 0).flatMap(() => times(20, 0).map((_, n) => `sampler ${n}`));
  for (const sampler of samplers) await fleet.submit({ request: { sampler } });
  const last = await fleet.submit({ request: { sampler: 'sampler 0' } });
  expect(last.ahead).toBe(16 * 2 + 4);
});

it('reads only some jobs as a whole to find those that a condition accepts', async () => {
  const fleet = await openFleet();
  const [oldest, ...others] = await addAll(fleet, times(450, {}));
  const query = { filter: { accepts: async () => false }, limit: 10 };
  const { jobs, next } = await fleet.ledger.jobs.list('anna', { ...query, cursor: undefined });
  expect([jobs, next]).toEqual([[], others.at(-400)]);
  const accepts = async () => true;
  const rest = await fleet.ledger.jobs.list('anna', { filter: { accepts }, limit: 100, cursor: next });
  expect(rest.jobs.at(-1)?.record.id).toBe(oldest);
});

it('forgets the virtual times when the pool has no open job left', async () => {
  const fleet = await openFleet();
  const source = await fleet.claims();
  await addAll(fleet, [{ key: 'anna' }, { key: 'bert' }]);
  await serve(source, 2);
  const { schedule, presents, keysToServe, keysAtLimit } = fleet.keys;
  const left = [schedule, presents, keysToServe, keysAtLimit].map((key) => key(POOL));
  expect(await fleet.redis.exists(...left)).toBe(0);
});

it('keeps the place of a delayed job that was given back, and charges no GPU time for it', async () => {
  const fleet = await openFleet();
  const source = await fleet.claims();
  const [early, late] = await addAll(fleet, [{ key: 'anna' }, { key: 'anna' }]);
  const claim = await nextClaim(source);
  await claim.release(0);
  await until('it rests', async () => (await fleet.get(early as string)).ahead === 0);
  expect(await fleet.redis.zrange(fleet.keys.keysToServe(POOL), '0', '-1', 'WITHSCORES')).toEqual(['anna', '50']);
  expect(await serve(source, 2)).toEqual([early, late]);
});
