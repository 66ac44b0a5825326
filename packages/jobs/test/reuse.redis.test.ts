import { claimNext } from '@comfy-fleet/testing';
import { expect, it } from 'vitest';
import { reuseOf } from '../src/index.js';
import {
  aFrame,
  aJob,
  aRequest,
  type Fleet,
  failed,
  nextClaim,
  openFleet,
  POOL,
  publishedEvents,
  startNext,
  within,
} from './builders.js';

const REUSE = reuseOf(aRequest());
const order = (fleet: Fleet, over: object = {}) => fleet.submit({ reuse: REUSE, ...over });
const statusOf = async (fleet: Fleet, id: string) => (await fleet.get(id)).record.status;

/** Claims with a clock that is so far ahead that the time to copy the outputs is over. */
const inAMinute = (fleet: Fleet) => fleet.claims(POOL, { now: () => Date.now() + 60_000 });

/** A job that succeeded, with a stored picture. */
async function rendered(fleet: Fleet, over: object = {}) {
  await order(fleet, over);
  const { claim } = await startNext(await fleet.claims());
  const { id } = claim.record;
  await fleet.files.put(aFrame(id).file, [Buffer.from('a fox')]);
  await claim.finish({ status: 'succeeded', outputs: [aFrame(id)] });
  return (await fleet.get(id)).record;
}

it('gives an equal job copies of the outputs of the first at no charge, with its webhook, and they stay when the first is deleted', async () => {
  const fleet = await openFleet();
  const { ledger, redis, keys, files } = fleet;
  const first = await rendered(fleet);
  const time = await redis.hget(keys.schedule(POOL), 'time anonymous');
  const callback = { url: 'https://example.com/hook' };
  const { id } = (await order(fleet, { callback })).record;
  expect((await fleet.get(id)).record).toMatchObject({ status: 'queued', reusedFrom: first.id });
  const published = await publishedEvents(fleet, id);
  expect(await ledger.reuse.give(first, id, files, within())).toBe(true);
  const { record } = await fleet.get(id);
  const outputs = [{ ...aFrame(first.id), file: `${id}_5001.png` }];
  expect(record).toMatchObject({ status: 'succeeded', reusedFrom: first.id, outputs, attempts: 0, phase: 'ended' });
  expect(files.files.get(`${id}_5001.png`)?.toString()).toBe('a fox');
  expect(await published()).toEqual([{ type: 'status', status: 'succeeded' }]);
  expect((await redis.xrange(keys.outbox, '-', '+'))[0]?.[1]).toContain(id);
  expect(await redis.hget(keys.schedule(POOL), 'time anonymous')).toBe(time);
  expect([await redis.zcard(keys.open(POOL)), await redis.hvals(keys.callers)]).toEqual([0, ['0']]);
  expect([await redis.zcard(keys.delayed(POOL)), await redis.exists(keys.workItem(POOL, id))]).toEqual([0, 0]);
  await ledger.jobs.forget(first.id);
  expect((await fleet.get(id)).record.outputs).toEqual(outputs);
});

it.each([
  ['of another key', { key: 'bert' }],
  ['of another request', { reuse: reuseOf(aRequest({ seed: '99' })) }],
  ['that is ordered without reuse', { reuse: undefined }],
])('renders a job %s', async (_what, over) => {
  const fleet = await openFleet();
  await rendered(fleet);
  const { id } = (await order(fleet, over)).record;
  expect((await nextClaim(await fleet.claims())).record).toMatchObject({ id, reusedFrom: null });
});

it('remembers a job no longer than it exists', async () => {
  const fleet = await openFleet();
  const { redis, keys, ledger } = fleet;
  const known = keys.reuse('anonymous', REUSE);
  const first = await rendered(fleet);
  expect(await redis.get(known)).toBe(first.id);
  await ledger.jobs.forget(first.id);
  expect(await redis.exists(known)).toBe(0);
  const second = await rendered(fleet);
  await redis.set(known, first.id);
  await ledger.jobs.forget(second.id);
  expect(await redis.get(known)).toBe(first.id);
});

it('renders a job whose equal one has not succeeded', async () => {
  const fleet = await openFleet();
  const source = await fleet.claims();
  for (const end of [undefined, failed()]) {
    await order(fleet);
    const { claim } = await startNext(source);
    if (end !== undefined) await claim.finish(end);
    const { id } = (await order(fleet)).record;
    const next = await nextClaim(source);
    expect(next.record).toMatchObject({ id, reusedFrom: null });
    await next.finish(failed());
  }
});

it('renders a job of its own if nobody copied the outputs in time, or if they are gone', async () => {
  const fleet = await openFleet();
  const { files, ledger } = fleet;
  const first = await rendered(fleet);
  const { id } = (await order(fleet)).record;
  files.files.clear();
  expect(await ledger.reuse.give(first, id, files, within())).toBe(false);
  expect(await claimNext(await fleet.claims())).toBeUndefined();
  const claim = await nextClaim(await inAMinute(fleet));
  expect(claim.record).toMatchObject({ id, reusedFrom: null });
  expect(await ledger.reuse.give(first, id, files, within())).toBe(false);
});

it('copies nothing for a key that may store no more, and leaves no copies if it may not once they are made', async () => {
  const fleet = await openFleet();
  const { redis, keys, files, ledger } = fleet;
  const first = await rendered(fleet);
  const { id } = (await order(fleet)).record;
  const fill = (bytes: number) =>
    redis.hset(keys.storage, {
      most: 100,
      keys: 1,
      bytes,
      [`stored ${first.key}`]: bytes,
      [`evictable ${first.key}`]: 0,
    });
  await fill(100);
  let copies = 0;
  const put: typeof files.put = async (name, source) => {
    copies += 1;
    await files.put(name, source);
    await fill(100);
  };
  expect(await ledger.reuse.give(first, id, { ...files, put }, within())).toBe(false);
  expect(copies).toBe(0);
  await fill(50);
  expect(await ledger.reuse.give(first, id, { ...files, put }, within())).toBe(false);
  expect([copies, [...files.files.keys()]]).toEqual([1, [`${first.id}_1.png`]]);
});

it('leaves no copies when copying fails', async () => {
  const fleet = await openFleet();
  const { files, ledger } = fleet;
  const first = await rendered(fleet);
  const { id } = (await order(fleet)).record;
  const put: typeof files.put = async (name, source) => {
    await files.put(name, source);
    throw new Error('the disk is slow');
  };
  await expect(ledger.reuse.give(first, id, { ...files, put }, within())).rejects.toThrow('the disk is slow');
  expect([...files.files.keys()]).toEqual([`${first.id}_1.png`]);
});

it('stops copying, and leaves no copies, when the job is deleted meanwhile', async () => {
  const fleet = await openFleet();
  const { files, ledger } = fleet;
  const first = await rendered(fleet);
  const { id } = (await order(fleet)).record;
  let copies = 0;
  const put: typeof files.put = async (name, source) => {
    copies += 1;
    await files.put(name, source);
    await ledger.jobs.cancel(id);
    await ledger.jobs.forget(id);
  };
  const twice = { ...first, outputs: [...first.outputs, ...first.outputs] };
  expect(await ledger.reuse.give(twice, id, { ...files, put }, within())).toBe(false);
  expect([copies, [...files.files.keys()]]).toEqual([1, [`${first.id}_1.png`]]);
});

it('leaves no copies, but what a worker stored, when a worker claims the job meanwhile', async () => {
  const fleet = await openFleet();
  const { files, ledger } = fleet;
  const first = await rendered(fleet);
  const { id } = (await order(fleet)).record;
  const source = await inAMinute(fleet);
  const put: typeof files.put = async (name, content) => {
    await files.put(name, content);
    await nextClaim(source);
    await files.put(aFrame(id, 2).file, [Buffer.from('another fox')]);
  };
  expect(await ledger.reuse.give(first, id, { ...files, put }, within())).toBe(false);
  expect([...files.files.keys()]).toEqual([`${first.id}_1.png`, `${id}_2.png`]);
});

it('copies no outputs for a job that has ended', async () => {
  const fleet = await openFleet();
  const first = await rendered(fleet);
  const { id } = (await order(fleet)).record;
  await fleet.ledger.jobs.cancel(id);
  expect(await fleet.ledger.reuse.give(first, id, fleet.files, within())).toBe(false);
  expect([...fleet.files.files.keys()]).toEqual([`${first.id}_1.png`]);
});

it('can be canceled while it waits for the outputs, and expires as any job', async () => {
  const fleet = await openFleet();
  await rendered(fleet);
  const canceled = (await order(fleet)).record.id;
  await fleet.ledger.jobs.cancel(canceled);
  expect(await statusOf(fleet, canceled)).toBe('canceled');
  const late = (await order(fleet, { startWithinMs: 0 })).record.id;
  expect(await fleet.run('expire', late)).toBe(1);
  expect(await fleet.redis.hget(fleet.keys.callers, 'anonymous')).toBe('0');
});

it('counts for the limits of its key while it waits for the outputs, also if it ends or is rendered instead', async () => {
  const fleet = await openFleet();
  const first = await rendered(fleet);
  const waiting = () => fleet.redis.hget(fleet.keys.callers, 'anonymous');
  const one = (await order(fleet, { mostWaiting: 1 })).record.id;
  await expect(order(fleet, { mostWaiting: 1 })).rejects.toMatchObject({ code: 'queue_full' });
  expect(await fleet.ledger.reuse.give(first, one, fleet.files, within())).toBe(true);
  const other = (await order(fleet, { mostWaiting: 1 })).record.id;
  await fleet.ledger.jobs.cancel(other);
  expect(await waiting()).toBe('0');
  await order(fleet, { mostWaiting: 1 });
  const source = await inAMinute(fleet);
  expect(await source.nextFor({ name: 'w/0', fit: () => -1 })).toBe('left');
  expect(await waiting()).toBe('1');
  await nextClaim(source);
  expect(await waiting()).toBe('0');
});

it('is rendered only when its key may have jobs of another kind waiting', async () => {
  const fleet = await openFleet();
  await rendered(fleet);
  const { id } = (await order(fleet)).record;
  const kinds = Array.from({ length: 256 }, (_, n) => aJob({ request: { sampler: `sampler ${n}` } }));
  await fleet.ledger.orders.create({ caller: 'anonymous', jobs: kinds });
  const source = await inAMinute(fleet);
  await nextClaim(source);
  expect(await fleet.redis.zcard(fleet.keys.affinityQueues(POOL, 'anonymous'))).toBe(255);
  expect((await fleet.get(id)).record).toMatchObject({ status: 'queued', phase: 'waiting' });
  await fleet.redis.zadd(fleet.keys.delayed(POOL), 0, id);
  await nextClaim(source);
  expect((await fleet.get(id)).record.reusedFrom).toBeNull();
});
