import { redisTime } from '@comfy-fleet/redis';
import { until } from '@comfy-fleet/testing';
import { expect, it, onTestFinished } from 'vitest';
import { firstIdAt, type JobRecord, type KeyChange } from '../src/index.js';
import {
  type Fleet,
  failed,
  JOB_TTL_SECONDS,
  nextClaim,
  type OrderOverrides,
  openFleet,
  ownRedis,
  startNext,
  succeeded,
} from './builders.js';
import { openHousekeeper } from './housekeepers.js';

const ORIGIN = '{}';
const submit = async (fleet: Fleet, order: OrderOverrides = {}) =>
  (await fleet.submit({ key: 'anna', origin: ORIGIN, ...order })).record.id;
const openRecords = async (fleet: Fleet, key = 'anna') => {
  const records: JobRecord[] = [];
  for await (const page of fleet.ledger.jobs.open(key)) records.push(...page);
  return records;
};
const open = async (fleet: Fleet, key = 'anna') => (await openRecords(fleet, key)).map(({ id }) => id);
const ended = async (fleet: Fleet, key = 'anna') => (await fleet.ledger.jobs.ended(key, { limit: 10, offset: 0 })).ids;

/** Changes of the key's jobs from now on. */
async function follow(fleet: Fleet, key: string): Promise<(KeyChange | undefined)[]> {
  const heard: (KeyChange | undefined)[] = [];
  const ending = new AbortController();
  onTestFinished(() => ending.abort());
  const changes = fleet.ledger.jobs.changesOf(key, { signal: ending.signal });
  const reading = (async () => {
    for await (const change of changes) heard.push(change);
  })();
  reading.catch(() => {});
  await until('it is subscribed', () => heard.length === 1);
  return heard;
}

it("yields every status of a key's jobs, including the first, with the client", async () => {
  const fleet = await openFleet();
  const heard = await follow(fleet, 'anna');
  const first = await submit(fleet, { client: 'a tab', origin: undefined });
  const source = await fleet.claims();
  const { claim, promptId } = await startNext(source);
  await fleet.submit({ key: 'bert' });
  await claim.lose(promptId, 'lost');
  await claim.finish(succeeded(first));
  await (await nextClaim(source)).finish(failed());
  const second = await submit(fleet);
  await fleet.ledger.jobs.cancel(second);
  const third = await submit(fleet);
  await fleet.redis.hset(fleet.keys.job(third), 'start_deadline', 1);
  await fleet.run('expire', third);
  await until('all was heard', () => heard.length === 9);
  const client = 'a tab';
  expect(heard).toEqual([
    undefined,
    { id: first, status: 'queued', client },
    { id: first, status: 'running', client },
    { id: first, status: 'queued', client },
    { id: first, status: 'succeeded', client },
    { id: second, status: 'queued', client: null },
    { id: second, status: 'canceled', client: null },
    { id: third, status: 'queued', client: null },
    { id: third, status: 'expired', client: null },
  ]);
});

it('reports that changes may have been missed after a lost connection', async () => {
  const fleet = await openFleet({ url: (await ownRedis()).url });
  const heard = await follow(fleet, 'anna');
  await fleet.redis.client('KILL', 'TYPE', 'PUBSUB');
  await until('it is said', () => heard.length === 2);
  expect(heard[1]).toBeUndefined();
});

it('rejects with the reason of its signal, and unsubscribes', async () => {
  const fleet = await openFleet();
  const ending = new AbortController();
  const changes = fleet.ledger.jobs.changesOf('anna', { signal: ending.signal })[Symbol.asyncIterator]();
  await changes.next();
  const next = changes.next();
  ending.abort(new Error('enough'));
  await expect(next).rejects.toThrow('enough');
  await until(
    'nobody listens',
    async () => (await fleet.redis.pubsub('NUMSUB', fleet.keys.keyChannel('anna')))[1] === 0,
  );
});

it('lists open jobs with an origin, oldest first, whatever their status', async () => {
  const fleet = await openFleet();
  const ids = [];
  for (let n = 0; n < 4; n++) ids.push(await submit(fleet));
  await submit(fleet, { key: 'bert' });
  await submit(fleet, { origin: undefined });
  const source = await fleet.claims();
  await startNext(source);
  await (await nextClaim(source)).release(60_000);
  await nextClaim(source);
  await fleet.ledger.jobs.cancel(ids[0] as string);
  expect(await open(fleet)).toEqual(ids);
  expect(await fleet.ledger.jobs.openCount('anna')).toBe(4);
  expect((await fleet.ledger.jobs.openStates('anna'))[0]).toEqual({ id: ids[0], status: 'canceling', client: null });
  expect((await openRecords(fleet)).map(({ status }) => status)).toEqual(['canceling', 'queued', 'queued', 'queued']);
});

it('has each job in the list at every moment', async () => {
  const fleet = await openFleet();
  const jobs = await Promise.all(Array.from({ length: 20 }, () => submit(fleet)));
  const { keys, redis } = fleet;
  let isOver = false;
  const looking = (async () => {
    while (!isOver) {
      const listed = await redis.zrange(keys.listedOf('anna'), 0, '-1');
      expect(listed.sort()).toEqual([...jobs].sort());
    }
  })();
  const source = await fleet.claims();
  for (let n = 0; n < 10; n++) {
    const claim = await nextClaim(source);
    await claim.finish(succeeded(claim.record.id));
  }
  for (const id of await open(fleet)) await fleet.ledger.jobs.cancel(id);
  isOver = true;
  await looking;
  expect(await open(fleet)).toEqual([]);
});

it('lists ended jobs by their end, the last one first, page by page', async () => {
  const fleet = await openFleet();
  const [a, b, c] = [await submit(fleet), await submit(fleet), await submit(fleet)];
  for (const id of [b, a, c]) {
    await fleet.ledger.jobs.cancel(id);
    const { finishedAt } = (await fleet.get(id)).record;
    await until('another ms has begun', async () => (await redisTime(fleet.redis)) > (finishedAt ?? 0));
  }
  expect(await ended(fleet)).toEqual([c, a, b]);
  expect(await fleet.ledger.jobs.ended('anna', { limit: 1, offset: 1 })).toEqual({ ids: [a], total: 3 });
  expect(await ended(fleet, 'bert')).toEqual([]);
});

it('hides ended jobs of the key, and nothing else', async () => {
  const fleet = await openFleet();
  const { jobs } = fleet.ledger;
  const [a, b, waiting] = [await submit(fleet), await submit(fleet), await submit(fleet)];
  const others = await submit(fleet, { key: 'bert' });
  for (const id of [a, b, others]) await jobs.cancel(id);
  await jobs.hide('anna', [a, waiting, others]);
  expect(await ended(fleet)).toEqual([b]);
  expect(await ended(fleet, 'bert')).toEqual([others]);
  expect(await open(fleet)).toEqual([waiting]);
  const records = await Promise.all([a, b, waiting, others].map(async (id) => (await fleet.get(id)).record));
  const hidden = await Promise.all(records.map(jobs.isHidden));
  expect(hidden).toEqual([true, false, false, false]);
  await jobs.hide('anna', 'all');
  expect(await ended(fleet)).toEqual([]);
  expect(await fleet.redis.pttl(fleet.keys.job(a))).toBeGreaterThan(0);
});

it('keeps the list of ended jobs longer than any of them, and removes ids of expired ones', async () => {
  const fleet = await openFleet();
  const { keys, redis } = fleet;
  const old = (n: number) => ({ id: firstIdAt(Date.now() - JOB_TTL_SECONDS * 1000 - 60_000 - n) });
  const [a, b, c] = [await submit(fleet), await submit(fleet, old(1)), await submit(fleet, old(2))];
  for (const id of [a, b]) await fleet.ledger.jobs.cancel(id);
  expect(await redis.ttl(keys.listedOf('anna'))).toBeGreaterThan(JOB_TTL_SECONDS + 86_400);
  const keeper = openHousekeeper(fleet);
  await keeper.forget(a);
  expect(await ended(fleet)).toEqual([b]);
  // Both expired.
  await redis.del(keys.job(b), keys.job(c));
  await keeper.pruneIndexes();
  expect(await redis.exists(keys.listedOf('anna'))).toBe(0);
});

it('does not list jobs without an origin', async () => {
  const fleet = await openFleet();
  await fleet.ledger.jobs.cancel((await fleet.submit({ key: 'anna' })).record.id);
  expect(await fleet.redis.exists(fleet.keys.listedOf('anna'))).toBe(0);
});
