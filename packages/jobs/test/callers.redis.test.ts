import { newId } from '@comfy-fleet/contracts';
import { claimNext, until } from '@comfy-fleet/testing';
import { describe, expect, it } from 'vitest';
import { dayOf } from '../src/callers/accounts.js';
import type { Claim, ClaimSource, NewJob } from '../src/index.js';
import { LUA_CONSTANTS } from '../src/lua/constants.js';
import {
  aJob,
  anOrder,
  claimAs,
  type Fleet,
  nextClaim,
  openFleet,
  ownRedis,
  POOL,
  startNext,
  succeeded,
} from './builders.js';

const two = { key: 'anna', mostTaken: 2 } as const;

/** Claims jobs until there are no more. */
async function claimAll(source: ClaimSource): Promise<Claim[]> {
  const claims: Claim[] = [];
  for (;;) {
    const claim = await claimNext(source);
    if (claim === undefined) return claims;
    claims.push(claim);
  }
}

async function submitMany(fleet: Fleet, count: number, overrides: Parameters<Fleet['submit']>[0]): Promise<string[]> {
  const ids: string[] = [];
  for (let n = 0; n < count; n++) ids.push((await fleet.submit(overrides)).record.id);
  return ids;
}

const idsOf = (claims: readonly Claim[]) => claims.map(({ record }) => record.id);

describe('a caller at its limit of jobs in work', () => {
  it('has its other jobs held back, while jobs of other callers pass', async () => {
    const fleet = await openFleet();
    const source = await fleet.claims();
    const mine = await submitMany(fleet, 4, two);
    const theirs = await submitMany(fleet, 2, { key: 'bert' });
    const claims = await claimAll(source);
    expect(new Set(idsOf(claims))).toEqual(new Set([...mine.slice(0, 2), ...theirs]));
    expect((await fleet.get(mine[3] as string)).record).toMatchObject({ status: 'queued', phase: 'waiting', claim: 0 });
    for (const claim of claims) claim.letGo();
  });

  it.each([
    ['succeeds', async (_fleet: Fleet, claim: Claim) => void (await claim.finish(succeeded(claim.record.id)))],
    ['is given back', async (_fleet: Fleet, claim: Claim) => void (await claim.release(60_000))],
    [
      'is canceled',
      async (fleet: Fleet, claim: Claim) => {
        await fleet.ledger.jobs.cancel(claim.record.id);
        await claim.finish({ status: 'canceled' });
      },
    ],
  ])('gets the next one claimed, in its order, when one %s', async (_, end) => {
    const fleet = await openFleet();
    const source = await fleet.claims();
    const [, , third, fourth] = await submitMany(fleet, 4, two);
    const claims = await claimAll(source);
    expect(claims).toHaveLength(2);
    await end(fleet, claims[0] as Claim);
    const next = await nextClaim(source);
    expect(next.record.id).toBe(third);
    await next.finish(succeeded(next.record.id));
    expect((await nextClaim(source)).record.id).toBe(fourth);
    claims[1]?.letGo();
  });

  it("stays at its limit while a dead worker's job waits to be claimed again, and that job is", async () => {
    const fleet = await openFleet();
    const source = await fleet.claims();
    const [first] = await submitMany(fleet, 2, { key: 'anna', mostTaken: 1 });
    const [claim] = await claimAll(source);
    expect(claim?.record.id).toBe(first);
    const again = await claimAs(fleet, first as string, 'w9', 'process 9:1');
    expect(again).not.toEqual([]);
    claim?.letGo();
  });

  it('gets a job claimed that was held back at the moment another one ended', async () => {
    const fleet = await openFleet();
    const source = await fleet.claims();
    for (let round = 0; round < 20; round++) {
      const [first, second] = await submitMany(fleet, 2, { key: 'anna', mostTaken: 1 });
      const claim = await nextClaim(source);
      expect(claim.record.id).toBe(first);
      // The second job is held back, and at the same moment the first one ends.
      const [taken] = await Promise.all([claimNext(source), claim.finish(succeeded(first as string))]);
      const next = taken ?? (await until('the second is claimed', () => claimNext(source)));
      expect(next.record.id).toBe(second);
      await next.finish(succeeded(second as string));
    }
  });

  it('gets the next job claimed when the one that was due is canceled', async () => {
    const fleet = await openFleet();
    const source = await fleet.claims();
    const [, second, third] = await submitMany(fleet, 3, { key: 'anna', mostTaken: 1 });
    const [claim] = await claimAll(source);
    await claim?.finish(succeeded(claim.record.id));
    await fleet.ledger.jobs.cancel(second as string);
    expect((await nextClaim(source)).record.id).toBe(third);
  });

  it('can cancel a job that is held back', async () => {
    const fleet = await openFleet();
    const source = await fleet.claims();
    const [, second] = await submitMany(fleet, 2, { key: 'anna', mostTaken: 1 });
    const [claim] = await claimAll(source);
    expect((await fleet.ledger.jobs.cancel(second as string))?.record.status).toBe('canceled');
    await claim?.finish(succeeded(claim.record.id));
    expect(await fleet.redis.exists(fleet.keys.keysAtLimit(POOL), fleet.keys.takenOf('anna'))).toBe(0);
  });
});

describe('a caller at its limit of waiting jobs', () => {
  it('is refused more jobs until a worker has one, and no job counts twice', async () => {
    const fleet = await openFleet();
    const source = await fleet.claims();
    const bound = { key: 'anna', mostWaiting: 1 } as const;
    await fleet.submit(bound);
    const error = { code: 'queue_full', retryAfterSeconds: 5 };
    await expect(fleet.submit(bound)).rejects.toMatchObject(error);
    const claim = await nextClaim(source);
    const second = await fleet.submit(bound);
    await claim.release(0);
    // Both waited when it was taken again.
    expect((await nextClaim(source)).record.id).toBe(claim.record.id);
    expect(await fleet.redis.hget(fleet.keys.callers, 'anna')).toBe('1');
    await fleet.ledger.jobs.cancel(second.record.id);
    expect(await fleet.redis.hget(fleet.keys.callers, 'anna')).toBe('0');
  });
});

describe('a caller whose waiting jobs are of as many kinds as they may be', () => {
  it('is refused jobs of more kinds, but no others', async () => {
    const fleet = await openFleet();
    const kinds = (count: number) => Array.from({ length: count }, (_, n) => aJob({ request: { checkpoint: `${n}` } }));
    const most = LUA_CONSTANTS.MOST_AFFINITY_QUEUES;
    const order = (jobs: NewJob[], caller = 'anna') => fleet.ledger.orders.create({ jobs, caller });
    await expect(order(kinds(most + 1))).rejects.toMatchObject({ code: 'validation_failed' });
    const { ids } = await order(kinds(most));
    const another = [aJob({ request: { checkpoint: 'another' } })];
    await expect(order(another)).rejects.toMatchObject({ code: 'queue_full', retryAfterSeconds: 5 });
    await order(kinds(2));
    await order([aJob({ request: { checkpoint: 'another' } })], 'bert');
    await fleet.ledger.jobs.cancel(ids.at(-1) as string);
    expect((await order(another)).ids).toHaveLength(1);
  });
});

describe('a caller for whom some waiting jobs are reserved', () => {
  it("is not refused these because of others' jobs, but gets no more beyond the bound", async () => {
    const fleet = await openFleet({ maxOpenJobs: 3 });
    const error = { code: 'queue_full' };
    await submitMany(fleet, 3, { key: 'anna', reserved: 2 });
    await expect(fleet.submit({ key: 'anna', reserved: 2 })).rejects.toMatchObject(error);
    await submitMany(fleet, 2, { key: 'bert', reserved: 2 });
    await expect(fleet.submit({ key: 'bert', reserved: 2 })).rejects.toMatchObject(error);
    // The keys with the largest backlogs make space for it.
    const claim = await nextClaim(await fleet.claims());
    await claim.finish(succeeded(claim.record.id));
    await expect(fleet.submit({ key: 'anna', reserved: 2 })).rejects.toMatchObject(error);
  });
});

describe('an order of many jobs', () => {
  it('is created as a whole or not at all, within the bounds of the pool and of the caller', async () => {
    const fleet = await openFleet({ maxOpenJobs: 3 });
    const order = (count: number, mostWaiting?: number) => ({
      jobs: Array.from({ length: count }, () => aJob()),
      caller: 'anna',
      mostWaiting,
    });
    await expect(fleet.ledger.orders.create(order(4))).rejects.toMatchObject({ code: 'validation_failed' });
    await expect(fleet.ledger.orders.create(order(3, 2))).rejects.toMatchObject({ code: 'validation_failed' });
    const waiting = await fleet.submit({ key: 'anna' });
    await expect(fleet.ledger.orders.create(order(3))).rejects.toMatchObject({ code: 'queue_full' });
    await expect(fleet.ledger.orders.create(order(2, 2))).rejects.toMatchObject({ code: 'queue_full' });
    await fleet.ledger.jobs.cancel(waiting.record.id);
    expect(await fleet.redis.zcard(fleet.keys.open(POOL))).toBe(0);
    const { ids, only } = await fleet.ledger.orders.create(order(3, 3));
    expect([ids.length, only]).toEqual([3, undefined]);
    expect(await fleet.redis.zcard(fleet.keys.prioritized(POOL))).toBe(3);
  });

  it('is refused when its key was used for another request, and created once for the same one', async () => {
    const fleet = await openFleet();
    const idempotency = { digest: 'd'.repeat(64), fingerprint: 'f' };
    const first = anOrder({ key: 'anna', idempotency });
    const { ids } = await fleet.ledger.orders.create(first);
    const again = await fleet.ledger.orders.create(anOrder({ key: 'anna', idempotency }));
    expect(again).toMatchObject({ replayed: true, ids });
    expect(await fleet.redis.zcard(fleet.keys.prioritized(POOL))).toBe(first.jobs.length);
    const other = anOrder({ key: 'anna', idempotency: { ...idempotency, fingerprint: 'g' } });
    await expect(fleet.ledger.orders.create(other)).rejects.toMatchObject({ code: 'idempotency_key_reused' });
  });
});

describe('an order that was created before under its Idempotency-Key', () => {
  it('is answered with all its ids in order, including those of deleted jobs', async () => {
    const fleet = await openFleet();
    const idempotency = { digest: 'd'.repeat(64), fingerprint: 'f' };
    const order = () => ({ jobs: [aJob(), aJob(), aJob()], caller: 'anna', idempotency });
    const { ids } = await fleet.ledger.orders.create(order());
    await fleet.ledger.jobs.cancel(ids[1] as string);
    await fleet.ledger.jobs.forget(ids[1] as string);
    expect(await fleet.ledger.orders.create(order())).toEqual({ replayed: true, aliased: false, ids, only: undefined });
    expect(await fleet.redis.zcard(fleet.keys.prioritized(POOL))).toBe(2);
  });

  it('can be looked up without creating anything', async () => {
    const fleet = await openFleet();
    const idempotency = { digest: 'd'.repeat(64), fingerprint: 'f' };
    expect(await fleet.ledger.orders.replay('anna', idempotency)).toBeUndefined();
    const { ids } = await fleet.ledger.orders.create(anOrder({ key: 'anna', idempotency }));
    expect(await fleet.ledger.orders.replay('anna', idempotency)).toMatchObject({ replayed: true, ids });
    expect(await fleet.ledger.orders.replay('bert', idempotency)).toBeUndefined();
    const other = fleet.ledger.orders.replay('anna', { ...idempotency, fingerprint: 'g' });
    await expect(other).rejects.toMatchObject({ code: 'idempotency_key_reused' });
  });
});

describe('concurrent requests', () => {
  it('share round trips: 50 reads, 50 counts and 50 orders take a handful of commands', async () => {
    const fleet = await openFleet({ url: (await ownRedis()).url });
    const { id } = (await fleet.submit()).record;
    const calls = async () => {
      const stats = await fleet.redis.info('commandstats');
      return Number(/cmdstat_evalsha:calls=(\d+)/.exec(stats)?.[1] ?? 0);
    };
    const fifty = Array.from({ length: 50 });
    await Promise.all([fleet.ledger.jobs.get(id), fleet.ledger.accounts.count('anna')]);
    const before = await calls();
    const [jobs, counts] = await Promise.all([
      Promise.all(fifty.map(() => fleet.ledger.jobs.get(id))),
      Promise.all(fifty.map(() => fleet.ledger.accounts.count('anna'))),
    ]);
    expect((await calls()) - before).toBeLessThan(20);
    expect(new Set(jobs.map((job) => job?.record.id))).toEqual(new Set([id]));
    expect(counts.map(({ requests }) => requests)).toEqual(fifty.map((_, n) => n + 2));
    const made = await Promise.all(fifty.map(() => fleet.ledger.orders.create(anOrder({ id: newId() }))));
    expect(new Set(made.flatMap(({ ids }) => ids)).size).toBe(50);
    expect(await fleet.redis.zcard(fleet.keys.prioritized(POOL))).toBe(51);
  });

  it('write nothing to the disk for reads and their counts', async () => {
    const server = await ownRedis();
    const fleet = await openFleet({ url: server.url });
    const { id } = (await fleet.submit()).record;
    const bytes = async () => /aof_current_size:(\d+)/.exec(await fleet.redis.info('persistence'))?.[1];
    const before = await bytes();
    for (let n = 0; n < 20; n++) await Promise.all([fleet.ledger.jobs.get(id), fleet.ledger.accounts.count('anna')]);
    expect(await bytes()).toBe(before);
    expect((await fleet.ledger.accounts.count('anna')).requests).toBe(21);
    expect(await fleet.redis.pttl(fleet.keys.rate('anna'))).toBeGreaterThan(0);
    await fleet.submit();
    expect(await bytes()).not.toBe(before);
  });

  it('are not held up by ten orders of 1,000 jobs', async () => {
    const fleet = await openFleet({ maxOpenJobs: 20_000 });
    const many = () => ({ jobs: Array.from({ length: 1000 }, () => aJob()), caller: 'anna' });
    const orders = Array.from({ length: 20 }, (_, n) => (n % 2 === 0 ? many() : anOrder({ key: 'bert' })));
    const made = await Promise.all(orders.map((order) => fleet.ledger.orders.create(order)));
    expect(made.reduce((sum, { ids }) => sum + ids.length, 0)).toBe(10_010);
    expect(await fleet.redis.zcard(fleet.keys.prioritized(POOL))).toBe(10_010);
  });
});

const NOTHING = { jobs: 0, succeeded: 0, failed: 0, canceled: 0, expired: 0, pictures: 0, gpuMs: 0 };
const dateOf = (day: number) => new Date(day * 86_400_000).toISOString().slice(0, 10);

it('counts attempts that were lost as used, and charges the slot until the job is submitted again', async () => {
  const fleet = await openFleet();
  await fleet.submit({ key: 'anna' });
  const { claim, promptId } = await startNext(await fleet.claims());
  const job = fleet.keys.job(claim.record.id);
  await fleet.redis.hset(job, 'started_at', Date.now() - 60_000);
  await claim.lose(promptId, 'out_of_memory');
  const [today] = await fleet.ledger.accounts.usage('anna', 1);
  expect(today?.gpuMs).toBeGreaterThanOrEqual(60_000);
  expect(await fleet.redis.hexists(job, 'claimed_at')).toBe(1);
});

it('returns what a key used day by day, the latest first, with zeros for days without usage', async () => {
  const { ledger, redis, keys } = await openFleet();
  const today = dayOf(Date.now());
  const busy = { jobs: '3', succeeded: '2', failed: '1', pictures: '7', gpu_ms: '5000000000' };
  await redis.hset(keys.usage('anna', today - 1), { jobs: 1 });
  await redis.hset(keys.usage('anna', today - 88), busy);
  await redis.hset(keys.usage('bert', today - 2), { jobs: 9 });
  const used = await ledger.accounts.usage('anna', 90);
  expect(used).toHaveLength(90);
  expect(used[0]).toEqual({ ...NOTHING, day: expect.any(String) });
  expect(used.filter(({ jobs }) => jobs > 0)).toEqual([
    { ...NOTHING, day: dateOf(today - 1), jobs: 1 },
    { ...NOTHING, day: dateOf(today - 88), jobs: 3, succeeded: 2, failed: 1, pictures: 7, gpuMs: 5_000_000_000 },
  ]);
});
