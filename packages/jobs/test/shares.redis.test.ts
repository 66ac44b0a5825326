import { claimNext, until } from '@comfy-fleet/testing';
import { expect, it } from 'vitest';
import type { Loss, Outcome } from '../src/index.js';
import { failed, nextClaim, openFleet, POOL, startNext } from './builders.js';
import { openHousekeeper } from './housekeepers.js';

const MINUTE = 60_000;

const sum = (values: readonly number[]) => values.reduce((total, value) => total + value, 0);
const after = (executedMs: number): Outcome => ({ status: 'succeeded', outputs: [], executedMs });

async function open() {
  const fleet = await openFleet();
  const shareOf = async (key: string) => {
    const { shares } = await fleet.ledger.fleet.details();
    return shares.find((share) => share.key === key);
  };
  /** GPU time of the key by minutes, in ms, oldest first. */
  const minutesOf = async (key: string) => {
    const names = (await fleet.redis.keys(fleet.keys.gpuTime('*'))).sort();
    const noted = await Promise.all(names.map((name) => fleet.redis.hget(name, `${POOL} ${key}`)));
    return noted.filter((ms) => ms !== null).map(Number);
  };
  return { fleet, shareOf, minutesOf };
}

it('counts the GPU time of a job in the minutes in which it executed, whatever its outcome', async () => {
  const { fleet, shareOf, minutesOf } = await open();
  const source = await fleet.claims();
  const { id, createdAt } = (await fleet.submit({ key: 'a' })).record;
  const { claim } = await startNext(source);
  await fleet.redis.hset(fleet.keys.job(id), 'started_at', createdAt - 25 * MINUTE);
  await claim.finish(failed());
  const { finishedAt } = (await fleet.get(id)).record;
  const executedMs = (finishedAt as number) - createdAt + 25 * MINUTE;
  const minutes = await minutesOf('a');
  expect(minutes.slice(1, -1)).toEqual(minutes.slice(1, -1).map(() => MINUTE));
  expect(minutes.length).toBeGreaterThanOrEqual(25);
  expect(sum(minutes)).toBe(executedMs);
  const share = await shareOf('a');
  expect(share).toMatchObject({ weight: 1, gpuMsHour: executedMs, shareHour: 1, fairShare: 1, waiting: 0 });
  expect(share?.gpuMsMinute).toBeGreaterThan(0);
  expect(share?.gpuMsMinute).toBeLessThanOrEqual(MINUTE);
});

it('reports the share of each key, and its fair share by weight', async () => {
  const { fleet, shareOf } = await open();
  const source = await fleet.claims();
  for (const [key, weight, executedMs] of [
    ['a', 1, 3000],
    ['b b', 3, 1000],
  ] as const) {
    await fleet.submit({ key, weight });
    const claim = await nextClaim(source);
    await claim.finish(after(executedMs));
  }
  expect(await shareOf('a')).toMatchObject({ weight: 1, gpuMsHour: 3000, shareHour: 0.75, fairShare: 0.25 });
  expect(await shareOf('b b')).toMatchObject({ weight: 3, gpuMsHour: 1000, shareHour: 0.25, fairShare: 0.75 });
});

it('counts running executions up to now, and only once after they end', async () => {
  const { fleet, shareOf } = await open();
  await fleet.submit({ key: 'a', weight: 2 });
  const { claim, promptId } = await startNext(await fleet.claims());
  const { id, startedAt } = (await fleet.get(claim.record.id)).record;
  await fleet.redis.hset(fleet.keys.job(id), 'started_at', (startedAt as number) - 10 * MINUTE);
  const running = await shareOf('a');
  expect(running).toMatchObject({ weight: 2, gpuMsMinute: MINUTE, shareMinute: 1 });
  expect(running?.gpuMsHour).toBeGreaterThanOrEqual(10 * MINUTE);
  await claim.finish(after(2 * MINUTE), promptId);
  expect(await shareOf('a')).toMatchObject({ weight: 2, gpuMsMinute: 0, gpuMsHour: 2 * MINUTE });
});

it.each<[counts: boolean, lost: Loss, then: Outcome]>([
  [true, 'lost', after(0)],
  [false, 'bystander', { status: 'canceled' }],
  [false, 'faulty', after(0)],
  [true, 'faulty', { status: 'canceled' }],
  [true, 'faulty', failed()],
])('counts (%s) an execution that was %s, if the job then ends as %o', async (counts, reason, outcome) => {
  const { fleet, shareOf } = await open();
  const { id, createdAt } = (await fleet.submit({ key: 'a' })).record;
  const { claim, promptId } = await startNext(await fleet.claims());
  await fleet.redis.hset(fleet.keys.job(id), 'started_at', createdAt - MINUTE);
  await claim.lose(promptId, reason);
  await claim.finish(outcome);
  const { gpuMsHour = 0 } = (await shareOf('a')) ?? {};
  expect(gpuMsHour >= MINUTE).toBe(counts);
});

it('reports how many jobs of a key wait and for how long, in any order', async () => {
  const { fleet, shareOf } = await open();
  const { id, createdAt } = (await fleet.submit({ key: 'a', weight: 2, request: { priority: -1 } })).record;
  await fleet.submit({ key: 'a', weight: 2, request: { priority: 1 } });
  await fleet.submit({ key: 'b' });
  await fleet.redis.hset(fleet.keys.job(id), 'created_at', createdAt - 10 * MINUTE);
  const share = await shareOf('a');
  expect(share).toMatchObject({ weight: 2, waiting: 2, gpuMsHour: 0, shareHour: 0 });
  expect(share?.fairShare).toBeCloseTo(2 / 3);
  expect(share?.oldestWaitMs).toBeGreaterThanOrEqual(10 * MINUTE);
  expect(share?.oldestTurnMs).toBe(share?.oldestWaitMs);
});

it('excludes jobs whose key is at its limit of jobs in work from the waiting time of its turn', async () => {
  const { fleet, shareOf } = await open();
  const source = await fleet.claims();
  await fleet.submit({ key: 'a', mostTaken: 1 });
  await nextClaim(source);
  const { id, createdAt } = (await fleet.submit({ key: 'a', mostTaken: 1 })).record;
  await fleet.redis.hset(fleet.keys.job(id), 'created_at', createdAt - 10 * MINUTE);
  expect(await claimNext(source)).toBeUndefined();
  const share = await shareOf('a');
  expect(share).toMatchObject({ waiting: 1, oldestTurnMs: 0 });
  expect(share?.oldestWaitMs).toBeGreaterThanOrEqual(10 * MINUTE);
});

it('gives shares to the dispatchers, too', async () => {
  const { fleet } = await open();
  await fleet.submit({ key: 'a' });
  expect((await openHousekeeper(fleet).figures()).shares).toMatchObject([{ key: 'a', waiting: 1 }]);
});

it('forgets GPU time after two hours', async () => {
  const { fleet } = await open();
  await fleet.submit({ key: 'a' });
  const claim = await nextClaim(await fleet.claims());
  await claim.finish(after(1000));
  const kept = await fleet.redis.keys(fleet.keys.gpuTime('*'));
  expect(kept.length).toBeGreaterThanOrEqual(1);
  for (const name of kept) {
    const life = await fleet.redis.pttl(name);
    expect(life).toBeGreaterThan(60 * MINUTE);
    expect(life).toBeLessThanOrEqual(120 * MINUTE);
  }
});

it('holds back the jobs of a key that has used up its GPU time of the day, until the next day', async () => {
  const { fleet } = await open();
  const keeper = openHousekeeper(fleet);
  const source = await fleet.claims();
  const order = { key: 'a', mostGpuMs: 5000 };
  await fleet.submit(order);
  const { id } = (await fleet.submit(order)).record;
  const other = await fleet.submit({ key: 'b' });
  const first = await nextClaim(source);
  expect(first.record.key).toBe('a');
  await first.finish(after(5000));
  expect(await fleet.get(id)).toMatchObject({ isOverGpuLimit: true, isHeldBack: false });
  expect(await fleet.get(other.record.id)).toMatchObject({ isOverGpuLimit: false });
  expect((await nextClaim(source)).record.id).toBe(other.record.id);
  expect(await claimNext(source)).toBeUndefined();
  await keeper.sweep();
  expect(await fleet.redis.smembers(fleet.keys.keysAtLimit(POOL))).toEqual(['a']);

  // As if a day had passed.
  for (const name of await fleet.redis.keys(fleet.keys.usage('a', '*'))) await fleet.redis.del(name);
  expect(await fleet.get(id)).toMatchObject({ isOverGpuLimit: false });
  await keeper.sweep();
  const next = await until('the job is claimed', () => claimNext(source));
  expect(next.record.id).toBe(id);
});

it('holds back no jobs of a key that has no limit of GPU time any more', async () => {
  const { fleet } = await open();
  const source = await fleet.claims();
  for (const mostGpuMs of [1, 1, undefined]) await fleet.submit({ key: 'a', mostGpuMs });
  for (let n = 0; n < 3; n += 1) await (await nextClaim(source)).finish(after(1000));
});
