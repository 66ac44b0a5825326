import { until } from '@comfy-fleet/testing';
import { expect, it } from 'vitest';
import {
  anAnnouncement,
  failed,
  JOB_TTL_SECONDS,
  nextClaim,
  openFleet,
  POOL,
  startNext,
  succeeded,
} from './builders.js';
import { dispatch, nothingLeft, recorder } from './deliveries-builders.js';
import { openHousekeeper } from './housekeepers.js';

it('leaves no key without a lifetime, except the documented ones, when every job has ended', async () => {
  const fleet = await openFleet();
  const { keys, redis } = fleet;
  const worker = fleet.worker('w1');
  const source = await worker.claims(POOL);
  await worker.presence.announce(anAnnouncement());
  await worker.instanceNames();
  const jobs = [];
  for (let n = 0; n < 5; n++)
    jobs.push((await fleet.submit({ key: `caller ${n}`, callback: { url: 'https://example.com' } })).record.id);
  const first = await startNext(source);
  await first.claim.progress({ fraction: 0.5, step: 4, steps: 8, node: null });
  await first.claim.finish(succeeded(first.claim.record.id), first.promptId);
  await (await nextClaim(source)).finish(failed());
  const third = await startNext(source);
  await fleet.ledger.jobs.cancel(third.claim.record.id);
  await third.claim.finish({ status: 'canceled' });
  await (await nextClaim(source)).release(60_000);
  await until('its work item is given back', async () => (await redis.zcard(keys.delayed(POOL))) === 1);
  await fleet.ledger.jobs.cancel(jobs[3] as string);
  await redis.hset(keys.job(jobs[4] as string), 'start_deadline', 1);
  await redis.zadd(keys.deadlines, 1, jobs[4] as string);
  await openHousekeeper(fleet).sweep();
  const statuses = await Promise.all(jobs.map(async (id) => (await fleet.get(id)).record.status));
  expect(statuses).toEqual(['succeeded', 'failed', 'canceled', 'canceled', 'expired']);
  await source.close();
  dispatch(fleet, recorder().handler);
  await nothingLeft(fleet);

  const queues = [keys.queueName(POOL), keys.webhookQueue, keys.housekeepingQueue].map(
    (name) => `${keys.prefix}:${name}`,
  );
  const ofBullMq = queues.flatMap((queue) =>
    ['meta', 'events', 'marker', 'id', 'pc'].map((name) => `${queue}:${name}`),
  );
  // The last thousand of each kind are kept, however old.
  const sets = [keys.completed(POOL), keys.failed(POOL)];
  const kept = (await Promise.all(sets.map((set) => redis.zrange(set, '0', '-1')))).flat();
  expect(kept).toHaveLength(5);
  const forGood = new Set([
    ...sets,
    ...kept.map((id) => keys.workItem(POOL, id)),
    keys.secrets,
    keys.totals,
    keys.outbox,
    keys.pools,
    keys.callers,
    keys.workers,
    keys.storage,
    ...ofBullMq,
  ]);
  const found: string[] = [];
  // The braces of the prefix have no special meaning in SCAN patterns.
  for await (const page of redis.scanStream({ match: `${keys.prefix}*` })) found.push(...(page as string[]));
  const lasting = [];
  for (const key of found) if ((await redis.pttl(key)) === -1) lasting.push(key);
  expect(lasting.filter((key) => !forGood.has(key))).toEqual([]);
  expect(found.filter((key) => key.startsWith(`${keys.prefix}:job:`))).toHaveLength(5);
  expect(found.filter((key) => key.startsWith(`${keys.prefix}:texts:`))).toHaveLength(5);
  // Two of them began.
  expect(found.filter((key) => key.startsWith(`${keys.prefix}:events:`))).toHaveLength(2);
});

it('keeps an open job forever and an ended one as long as the setting says', async () => {
  const fleet = await openFleet();
  const { id } = (await fleet.submit()).record;
  expect(await fleet.redis.ttl(fleet.keys.job(id))).toBe(-1);
  await (await nextClaim(await fleet.claims())).finish(succeeded(id));
  const left = await fleet.redis.ttl(fleet.keys.job(id));
  expect(left).toBeGreaterThan(JOB_TTL_SECONDS - 60);
  expect(left).toBeLessThanOrEqual(JOB_TTL_SECONDS);
});

it("bounds BullMQ's event stream of a pool", async () => {
  const fleet = await openFleet();
  const events = fleet.keys.workEvents(POOL);
  const pipeline = fleet.redis.pipeline();
  for (let n = 0; n < 12_000; n++) pipeline.xadd(events, '*', 'event', 'waiting');
  await pipeline.exec();
  await fleet.submit();
  expect(await fleet.redis.xlen(events)).toBeLessThan(10_200);
});
