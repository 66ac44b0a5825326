import { newId } from '@comfy-fleet/contracts';
import { until } from '@comfy-fleet/testing';
import { describe, expect, it } from 'vitest';
import { type Fleet, nextClaim, openFleet, POOL, startNext, succeeded } from './builders.js';
import { openKeeper } from './keepers.js';

/** Short enough to wait for, long enough for a busy machine. */
const SHORT = { lockMs: 1000, stalledCheckMs: 200 };
/** Of a lock that is to be renewed in time by whoever holds it, on a busy machine too. */
const RENEWED = { lockMs: 4000, stalledCheckMs: 200 };

const lockKey = (fleet: Fleet, id: string) => `${fleet.keys.workItem(POOL, id)}:lock`;
const deaths = async (fleet: Fleet, id: string) => Number(await fleet.redis.hget(fleet.keys.job(id), 'deaths'));
const itemGone = (fleet: Fleet, id: string) =>
  until('the item is gone', async () => (await fleet.redis.exists(fleet.keys.workItem(POOL, id))) === 0);

/** What a pause longer than the lock does: BullMQ thinks that the holder died. */
async function loseLock(fleet: Fleet, id: string): Promise<void> {
  await fleet.redis.del(lockKey(fleet, id));
  await fleet.redis.sadd(`${fleet.keys.prefix}:${fleet.keys.queueName(POOL)}:stalled`, id);
}

describe('a claim that is held', () => {
  it('is renewed for longer than its lock lasts, and handed to nobody else', async () => {
    const fleet = await openFleet();
    const { id } = (await fleet.submit()).record;
    const holder = await fleet.claims(POOL, RENEWED);
    const other = await fleet.claims(POOL, RENEWED);
    const claim = await nextClaim(holder);
    const taken = performance.now();
    let offered: unknown;
    await until('two locks would have run out', async () => {
      offered ??= await other.next();
      return performance.now() - taken > 2 * RENEWED.lockMs;
    });
    expect(offered).toBeUndefined();
    expect(await claim.look()).toBe('ok');
    expect(await claim.finish(succeeded(id))).toBe('succeeded');
    expect(await deaths(fleet, id)).toBe(0);
  });

  it('leaves no work item behind when it is finished', async () => {
    const fleet = await openFleet();
    const { id } = (await fleet.submit()).record;
    const claim = await nextClaim(await fleet.claims());
    expect(await fleet.redis.exists(fleet.keys.workItem(POOL, id))).toBe(1);
    await claim.finish(succeeded(id));
    await itemGone(fleet, id);
    const left = await fleet.redis.keys(`${fleet.keys.workItem(POOL, id)}*`);
    expect(left).toEqual([]);
  });

  it('comes back to the same process after a lost lock, and is renewed there when the first taking is let go', async () => {
    const fleet = await openFleet();
    const { id } = (await fleet.submit()).record;
    const source = await fleet.claims(POOL, RENEWED);
    const first = await nextClaim(source);
    await loseLock(fleet, id);
    const second = await nextClaim(source);
    expect(second.record).toMatchObject({ id, claim: 2 });
    expect(await first.look()).toBe('superseded');
    first.letGo();
    const taken = performance.now();
    let offered: unknown;
    await until('its lock would have run out', async () => {
      offered ??= await source.next();
      return performance.now() - taken > 1.5 * RENEWED.lockMs;
    });
    expect(offered).toBeUndefined();
    expect(await second.look()).toBe('ok');
    expect(await second.finish(succeeded(id))).toBe('succeeded');
    await itemGone(fleet, id);
    // The process lives: nobody died.
    expect(await deaths(fleet, id)).toBe(0);
  });
});

describe('a claim whose lock was lost', () => {
  it('is superseded by the next holder and ends nothing, while that one ends the job once', async () => {
    const fleet = await openFleet();
    const { id } = (await fleet.submit()).record;
    const { claim, promptId } = await startNext(await fleet.claims(POOL, SHORT));
    await loseLock(fleet, id);
    const next = await nextClaim(await fleet.claims(POOL, SHORT));
    expect(next.record).toMatchObject({ id, promptId, claim: 2 });
    expect(await claim.finish(succeeded(id), promptId)).toBe('superseded');
    expect((await fleet.get(id)).record.status).toBe('running');
    expect(await next.finish(succeeded(id), promptId)).toBe('succeeded');
    await itemGone(fleet, id);
  });

  it('may still end the job when nobody has it yet, and the handed-out item is then dropped', async () => {
    const fleet = await openFleet();
    const { id } = (await fleet.submit()).record;
    const claim = await nextClaim(await fleet.claims(POOL, SHORT));
    await loseLock(fleet, id);
    await until('the item is handed out again', async () => (await fleet.redis.llen(fleet.keys.waitList(POOL))) === 1);
    expect(await claim.finish(succeeded(id))).toBe('succeeded');
    const other = await fleet.claims(POOL, SHORT);
    await until('the item is dropped', async () => {
      expect(await other.next()).toBeUndefined();
      return (await fleet.redis.exists(fleet.keys.workItem(POOL, id))) === 0;
    });
  });

  it('is not brought back when it ended while it was first of all to be handed out', async () => {
    const fleet = await openFleet();
    const { id } = (await fleet.submit()).record;
    const claim = await nextClaim(await fleet.claims());
    await claim.release(60_000);
    const { redis, keys } = fleet;
    await until('the item rests', () => redis.zscore(keys.delayed(POOL), id));
    await redis.zrem(keys.delayed(POOL), id);
    await redis.zadd(keys.prioritized(POOL), 2 ** 32, id);
    await redis.rpush(keys.first(POOL), id);
    await fleet.run('cancel', id);
    expect(await (await fleet.claims()).next({ block: false })).toBeUndefined();
    expect((await fleet.get(id)).record).toMatchObject({ status: 'canceled', phase: 'ended', claim: 1 });
    expect(await redis.exists(keys.workItem(POOL, id), keys.first(POOL))).toBe(0);
  });

  it('is served before all waiting jobs', async () => {
    const fleet = await openFleet();
    const { id } = (await fleet.submit({ request: { priority: -2 } })).record;
    const source = await fleet.claims(POOL, SHORT);
    await nextClaim(source);
    const waiting = (await fleet.submit({ key: 'bert', request: { priority: 2 } })).record.id;
    await loseLock(fleet, id);
    await until('the item is handed out again', async () => (await fleet.redis.llen(fleet.keys.waitList(POOL))) === 1);
    expect((await fleet.get(waiting)).ahead).toBe(1);
    expect((await nextClaim(source)).record.id).toBe(id);
  });
});

it('is handed out again, with its record untouched, when a holder lets go of a job that is still its own', async () => {
  const fleet = await openFleet();
  const { id } = (await fleet.submit()).record;
  const { claim, promptId } = await startNext(await fleet.claims(POOL, SHORT));
  claim.letGo();
  const next = await nextClaim(await fleet.claims(POOL, SHORT));
  expect(next.record).toMatchObject({ id, promptId, status: 'running', claim: 2 });
  expect(await next.finish(succeeded(id), promptId)).toBe('succeeded');
  await itemGone(fleet, id);
});

describe('a worker that dies', () => {
  it('loses its job to another worker, who finds the submission, and the death is counted', async () => {
    const fleet = await openFleet();
    const { id } = (await fleet.submit()).record;
    const dying = fleet.worker('dying', SHORT);
    const { promptId } = await startNext(await dying.claims(POOL));
    const survivor = await fleet.claims(POOL, SHORT);
    await dying.close();
    const claim = await nextClaim(survivor);
    expect(claim.record).toMatchObject({ id, promptId, status: 'running', claim: 2 });
    expect(await deaths(fleet, id)).toBe(1);
    expect(await claim.finish(succeeded(id), promptId)).toBe('succeeded');
  });

  it('makes the job fail with worker_killed when it was the last that may', async () => {
    const fleet = await openFleet();
    const { id } = (await fleet.submit({ callback: { url: 'https://example.com' } })).record;
    const start = () => fleet.claims(POOL, { ...SHORT, maxWorkerDeaths: 2 });
    for (let death = 1; death <= 2; death++) {
      const claim = await nextClaim(await start());
      expect(claim.record.claim).toBe(death);
      await loseLock(fleet, id);
    }
    const last = await start();
    await until('the job failed', async () => {
      expect(await last.next()).toBeUndefined();
      return (await fleet.get(id)).record.status === 'failed';
    });
    const { record } = await fleet.get(id);
    expect(record.error).toMatchObject({ code: 'worker_killed', detail: expect.stringContaining('2 times') });
    await itemGone(fleet, id);
    expect(await fleet.redis.xlen(fleet.keys.outbox)).toBe(1);
  });

  it('hands out a canceling job however many died, so that somebody stops its prompt', async () => {
    const fleet = await openFleet();
    const { id } = (await fleet.submit()).record;
    const start = () => fleet.claims(POOL, { ...SHORT, maxWorkerDeaths: 1 });
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
  it('goes to the idle worker each time, eight times over, and counts no death', async () => {
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

  it('keeps its turn: it is claimed before jobs that came after it', async () => {
    const fleet = await openFleet();
    const ids = [(await fleet.submit()).record.id, (await fleet.submit()).record.id];
    const source = await fleet.claims();
    const claim = await nextClaim(source);
    await claim.release(0);
    await until('the item is back', async () => (await fleet.redis.exists(lockKey(fleet, claim.record.id))) === 0);
    const order = [await nextClaim(source), await nextClaim(source)].map(({ record }) => record.id);
    expect(order).toEqual(ids);
  });

  it('rests for its delay, while jobs after it are served', async () => {
    const fleet = await openFleet();
    const [first, second] = [(await fleet.submit()).record.id, (await fleet.submit()).record.id];
    const source = await fleet.claims();
    const claim = await nextClaim(source);
    const givenBack = performance.now();
    await claim.release(3000);
    expect((await nextClaim(source)).record.id).toBe(second);
    const again = await nextClaim(source);
    expect(again.record.id).toBe(first);
    expect(performance.now() - givenBack).toBeGreaterThanOrEqual(2990);
  });

  it('does not keep a look for work blocked while it rests', async () => {
    const fleet = await openFleet();
    await fleet.submit();
    const source = await fleet.claims();
    await (await nextClaim(source)).release(60_000);
    const start = performance.now();
    for (let look = 0; look < 5; look++) expect(await source.next()).toBeUndefined();
    // The last ones block for a second; BullMQ would do so for ten at a time until the delayed job is due.
    expect(performance.now() - start).toBeLessThan(5 * 6000);
  });
});

describe('closing a source', () => {
  it('waits until the claims it gave out are settled', async () => {
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
    expect(await fleet.redis.exists(fleet.keys.workItem(POOL, id))).toBe(0);
  });

  it('waits for the look for work that is under way, and for its claim', async () => {
    const fleet = await openFleet();
    const source = await fleet.claims();
    expect(await source.next()).toBeUndefined();
    // This look blocks.
    const looking = source.next();
    let closed = false;
    const closing = source.close().then(() => (closed = true));
    const { id } = (await fleet.submit()).record;
    const claim = await looking;
    expect(claim?.record.id).toBe(id);
    expect(await claim?.submit(newId(), 'w1/0')).toBe('ok');
    expect(closed).toBe(false);
    await claim?.release(0);
    await closing;
    expect(await fleet.redis.exists(lockKey(fleet, id))).toBe(0);
    expect((await nextClaim(await fleet.claims())).record.id).toBe(id);
  });
});

it('goes by a job whose record cannot be read, and claims it when it can be and the sweep has found it', async () => {
  const fleet = await openFleet();
  const { id } = (await fleet.submit()).record;
  const next = (await fleet.submit()).record.id;
  const source = await fleet.claims();
  // A record that is no hash: what is asked about it is refused with WRONGTYPE.
  const aside = `${fleet.keys.job(id)} aside`;
  await fleet.redis.rename(fleet.keys.job(id), aside);
  await fleet.redis.set(fleet.keys.job(id), 'in the way');
  expect((await nextClaim(source)).record.id).toBe(next);
  expect(await source.next({ block: false })).toBeUndefined();
  await fleet.redis.rename(aside, fleet.keys.job(id));
  await openKeeper(fleet).sweep();
  expect((await nextClaim(source)).record).toMatchObject({ id, claim: 1 });
});
