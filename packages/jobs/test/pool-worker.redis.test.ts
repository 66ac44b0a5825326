import { newId } from '@comfy-fleet/contracts';
import { claimNext, until } from '@comfy-fleet/testing';
import { describe, expect, it } from 'vitest';
import type { Claim, ClaimSource } from '../src/index.js';
import { type Fleet, itemEnded, loseLock, nextClaim, openFleet, POOL, startNext, succeeded } from './builders.js';
import { openHousekeeper } from './housekeepers.js';

/** Settings of a worker that soon gets what others lost, and keeps its own locks. */
const HEIR = { stalledCheckMs: 200 };
/** Settings of a worker that loses its lock: short enough to wait for. */
const SHORT = { lockMs: 1000, stalledCheckMs: 200 };
/** Settings of a lock that is renewed in time (at half) even on a busy machine. */
const RENEWED = { lockMs: 16_000, stalledCheckMs: 200 };

const deaths = async (fleet: Fleet, id: string) => Number(await fleet.redis.hget(fleet.keys.job(id), 'deaths'));

/** Waits until the item's lock is renewed, and expects that no other worker gets the item meanwhile. */
async function expectRenewal(fleet: Fleet, id: string, other: ClaimSource): Promise<void> {
  const leftMs = () => fleet.redis.pttl(fleet.keys.lock(POOL, id));
  let left = await leftMs();
  await until('its lock is renewed', async () => {
    expect(await claimNext(other)).toBeUndefined();
    const before = left;
    left = await leftMs();
    return left > before;
  });
}

describe('a claim that is held', () => {
  it('is renewed beyond the lifetime of its lock, and given to no other worker', async () => {
    const fleet = await openFleet();
    const { id } = (await fleet.submit()).record;
    const holder = await fleet.claims(POOL, RENEWED);
    const other = await fleet.claims(POOL, RENEWED);
    const claim = await nextClaim(holder);
    for (let time = 0; time < 2; time++) await expectRenewal(fleet, id, other);
    expect(await claim.check()).toBe('ok');
    expect(await claim.finish(succeeded(id))).toBe('succeeded');
    expect(await deaths(fleet, id)).toBe(0);
  });

  it('leaves only the ended work item when it is finished', async () => {
    const fleet = await openFleet();
    const { id } = (await fleet.submit()).record;
    const claim = await nextClaim(await fleet.claims());
    expect(await fleet.redis.exists(fleet.keys.workItem(POOL, id))).toBe(1);
    await claim.finish(succeeded(id));
    await itemEnded(fleet, id);
    const left = await fleet.redis.keys(`${fleet.keys.workItem(POOL, id)}*`);
    expect(left).toEqual([fleet.keys.workItem(POOL, id)]);
  });

  it('may return to the same process after a lost lock, and is still renewed when the first claim is let go', async () => {
    const fleet = await openFleet();
    const { id } = (await fleet.submit()).record;
    const source = await fleet.claims(POOL, RENEWED);
    const first = await nextClaim(source);
    await loseLock(fleet, id);
    const second = await nextClaim(source);
    expect(second.record).toMatchObject({ id, claim: 2 });
    expect(await first.check()).toBe('superseded');
    first.letGo();
    await expectRenewal(fleet, id, source);
    expect(await second.check()).toBe('ok');
    expect(await second.finish(succeeded(id))).toBe('succeeded');
    await itemEnded(fleet, id);
    // The process is alive, so no worker died.
    expect(await deaths(fleet, id)).toBe(0);
  });
});

describe('a claim whose lock was lost', () => {
  it('is superseded by the next holder and ends nothing, while the next one ends the job once', async () => {
    const fleet = await openFleet();
    const { id } = (await fleet.submit()).record;
    const { claim, promptId } = await startNext(await fleet.claims(POOL, HEIR));
    await loseLock(fleet, id);
    const next = await nextClaim(await fleet.claims(POOL, HEIR));
    expect(next.record).toMatchObject({ id, promptId, claim: 2 });
    expect(await claim.finish(succeeded(id), promptId)).toBe('superseded');
    expect((await fleet.get(id)).record.status).toBe('running');
    expect(await next.finish(succeeded(id), promptId)).toBe('succeeded');
    await itemEnded(fleet, id);
  });

  it('may still end the job before another worker has it, and the requeued item is then dropped', async () => {
    const fleet = await openFleet();
    const { id } = (await fleet.submit()).record;
    const claim = await nextClaim(await fleet.claims(POOL, HEIR));
    await loseLock(fleet, id);
    await until('the item is handed out again', async () => (await fleet.redis.llen(fleet.keys.waitList(POOL))) === 1);
    expect(await claim.finish(succeeded(id))).toBe('succeeded');
    const other = await fleet.claims(POOL, HEIR);
    await until('the item is dropped', async () => {
      expect(await claimNext(other)).toBeUndefined();
      return (await fleet.redis.exists(fleet.keys.workItem(POOL, id))) === 0;
    });
  });

  it('is not requeued if its job ended while its item was about to be handed out', async () => {
    const fleet = await openFleet();
    const { id } = (await fleet.submit()).record;
    const claim = await nextClaim(await fleet.claims());
    await claim.release(60_000);
    const { redis, keys } = fleet;
    await until('the item rests', () => redis.zscore(keys.delayed(POOL), id));
    await redis.zrem(keys.delayed(POOL), id);
    await redis.zadd(keys.prioritized(POOL), 1, id);
    await fleet.run('cancel', id);
    expect(await claimNext(await fleet.claims())).toBeUndefined();
    expect((await fleet.get(id)).record).toMatchObject({ status: 'canceled', phase: 'ended', claim: 1 });
    expect(await redis.exists(keys.prioritized(POOL))).toBe(0);
    expect(await redis.zrange(keys.failed(POOL), '0', '-1')).toEqual([id]);
  });

  it('is served before all waiting jobs', async () => {
    const fleet = await openFleet();
    const { id } = (await fleet.submit({ request: { priority: -2 } })).record;
    const source = await fleet.claims(POOL, HEIR);
    await nextClaim(source);
    const waiting = (await fleet.submit({ key: 'bert', request: { priority: 2 } })).record.id;
    await loseLock(fleet, id);
    await until('the item is handed out again', async () => (await fleet.redis.llen(fleet.keys.waitList(POOL))) === 1);
    expect((await fleet.get(waiting)).ahead).toBe(1);
    expect((await nextClaim(source)).record.id).toBe(id);
  });
});

it('is handed out again, with its record unchanged, when a holder lets go of its own job', async () => {
  const fleet = await openFleet();
  const { id } = (await fleet.submit()).record;
  const { claim, promptId } = await startNext(await fleet.claims(POOL, SHORT));
  claim.letGo();
  const next = await nextClaim(await fleet.claims(POOL, HEIR));
  expect(next.record).toMatchObject({ id, promptId, status: 'running', claim: 2 });
  expect(await next.finish(succeeded(id), promptId)).toBe('succeeded');
  await itemEnded(fleet, id);
});

describe('a worker that dies', () => {
  it('loses its job to another worker, which finds the submission; the death is counted', async () => {
    const fleet = await openFleet();
    const { id } = (await fleet.submit()).record;
    const dying = fleet.worker('dying', SHORT);
    const { promptId } = await startNext(await dying.claims(POOL));
    const survivor = await fleet.claims(POOL, HEIR);
    await dying.close();
    const claim = await nextClaim(survivor);
    expect(claim.record).toMatchObject({ id, promptId, status: 'running', claim: 2 });
    expect(await deaths(fleet, id)).toBe(1);
    expect(await claim.finish(succeeded(id), promptId)).toBe('succeeded');
  });

  it('fails the job with worker_killed at the limit of deaths', async () => {
    const fleet = await openFleet();
    const { id } = (await fleet.submit({ callback: { url: 'https://example.com' } })).record;
    const start = () => fleet.claims(POOL, { ...HEIR, maxWorkerDeaths: 2 });
    for (let death = 1; death <= 2; death++) {
      const claim = await nextClaim(await start());
      expect(claim.record.claim).toBe(death);
      await loseLock(fleet, id);
    }
    const last = await start();
    await until('the job failed', async () => {
      expect(await claimNext(last)).toBeUndefined();
      return (await fleet.get(id)).record.status === 'failed';
    });
    const { record } = await fleet.get(id);
    expect(record.error).toMatchObject({ code: 'worker_killed', detail: expect.stringContaining('2 times') });
    await itemEnded(fleet, id);
    expect(await fleet.redis.xlen(fleet.keys.outbox)).toBe(1);
  });

  it('has its canceling job handed out after any number of deaths, so that its prompt is stopped', async () => {
    const fleet = await openFleet();
    const { id } = (await fleet.submit()).record;
    const start = () => fleet.claims(POOL, { ...HEIR, maxWorkerDeaths: 1 });
    await startNext(await start());
    await fleet.ledger.jobs.cancel(id);
    await loseLock(fleet, id);
    const claim = await nextClaim(await start());
    expect(claim.record).toMatchObject({ id, status: 'canceling', deaths: 1 });
    expect(claim.record.promptId).not.toBeNull();
    await claim.finish({ status: 'canceled' });
    expect((await fleet.get(id)).record).toMatchObject({ status: 'canceled', error: null });
  });
});

describe('a job that is given back', () => {
  it('goes to the idle worker eight times in a row, and counts no death', async () => {
    const fleet = await openFleet();
    const { id } = (await fleet.submit()).record;
    const [anna, bert] = [await fleet.claims(), await fleet.claims()];
    let claim = await nextClaim(anna);
    for (let round = 0; round < 8; round++) {
      const [giver, idle] = round % 2 === 0 ? ['w1', bert] : ['w2', anna];
      expect(claim.record.worker).toBe(giver);
      const waiting = nextClaim(idle);
      await claim.release(0);
      claim = await waiting;
      expect(claim.record).toMatchObject({ id, claim: round + 2 });
    }
    expect(await deaths(fleet, id)).toBe(0);
    expect(await claim.finish(succeeded(id))).toBe('succeeded');
  });

  it('keeps its place: it is claimed before jobs that came after it', async () => {
    const fleet = await openFleet();
    const ids = [(await fleet.submit()).record.id, (await fleet.submit()).record.id];
    const source = await fleet.claims();
    const claim = await nextClaim(source);
    await claim.release(0);
    await until(
      'the item is back',
      async () => (await fleet.redis.exists(fleet.keys.lock(POOL, claim.record.id))) === 0,
    );
    const order = [await nextClaim(source), await nextClaim(source)].map(({ record }) => record.id);
    expect(order).toEqual(ids);
  });

  it('waits for its delay, while jobs after it are served', async () => {
    const fleet = await openFleet();
    const first = (await fleet.submit()).record.id;
    const source = await fleet.claims();
    const claim = await nextClaim(source);
    const givenBack = performance.now();
    await claim.release(1000);
    const again = await nextClaim(source);
    expect(again.record.id).toBe(first);
    expect(performance.now() - givenBack).toBeGreaterThanOrEqual(990);
    await again.release(600_000);
    const second = (await fleet.submit()).record.id;
    expect((await nextClaim(source)).record.id).toBe(second);
  });

  it("does not block a worker's wait for work during its delay", async () => {
    const fleet = await openFleet();
    await fleet.submit();
    const source = await fleet.claims();
    await (await nextClaim(source)).release(60_000);
    const looks: number[] = [];
    for (let look = 0; look < 5; look++) {
      const start = performance.now();
      expect(await claimNext(source)).toBeUndefined();
      await source.untilWork();
      looks.push(performance.now() - start);
    }
    // The last waits block for a second; BullMQ would block up to ten seconds, until the delayed job is due.
    expect(Math.min(...looks.slice(-3))).toBeLessThan(9000);
  });
});

describe('closing a source', () => {
  it('waits until all its claims are settled', async () => {
    const fleet = await openFleet();
    const { id } = (await fleet.submit()).record;
    const source = await fleet.claims();
    const claim = await nextClaim(source);
    let closed = false;
    const closing = source.close().then(() => (closed = true));
    await claim.submit(newId(), 'w1/0');
    expect(closed).toBe(false);
    await claim.finish(succeeded(id));
    await closing;
    expect(await fleet.redis.hexists(fleet.keys.workItem(POOL, id), 'finishedOn')).toBe(1);
  });

  it('waits for a running attempt to claim, and for its claim', async () => {
    const fleet = await openFleet();
    const { id } = (await fleet.submit()).record;
    const source = await fleet.claims();
    const asked: ((ms: number) => void)[] = [];
    const fit = () => new Promise<number>((resolve) => asked.push(resolve));
    const claiming = source.nextFor({ name: 'w1/0', fit });
    const answer = await until('the instance is asked', () => asked[0]);
    let closed = false;
    const closing = source.close().then(() => (closed = true));
    answer(0);
    const claim = (await claiming) as Claim;
    expect(claim.record.id).toBe(id);
    expect(await claim.submit(newId(), 'w1/0')).toBe('ok');
    expect(closed).toBe(false);
    await claim.release(0);
    await closing;
    expect(await fleet.redis.exists(fleet.keys.lock(POOL, id))).toBe(0);
    expect((await nextClaim(await fleet.claims())).record.id).toBe(id);
  });
});

it('skips a job whose record cannot be read, and claims it when it can be read and a sweep has found it', async () => {
  const fleet = await openFleet();
  const { id } = (await fleet.submit()).record;
  const next = (await fleet.submit()).record.id;
  const source = await fleet.claims();
  // A record that is not a hash: commands for it fail with WRONGTYPE.
  const aside = `${fleet.keys.job(id)} aside`;
  await fleet.redis.rename(fleet.keys.job(id), aside);
  await fleet.redis.set(fleet.keys.job(id), 'in the way');
  expect((await nextClaim(source)).record.id).toBe(next);
  expect(await claimNext(source)).toBeUndefined();
  await fleet.redis.rename(aside, fleet.keys.job(id));
  await openHousekeeper(fleet).sweep();
  expect((await nextClaim(source)).record).toMatchObject({ id, claim: 1 });
});
