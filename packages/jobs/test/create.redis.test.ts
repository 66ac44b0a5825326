import { newId } from '@comfy-fleet/contracts';
import { askRedis, claimNext } from '@comfy-fleet/testing';
import { expect, it } from 'vitest';
import { createWorkQueues } from '../src/queue/work-queues.js';
import { presentJob } from '../src/record/present-job.js';
import { anOrder, aRequest, nextClaim, openFleet, ownRedis, POOL, quietLog, succeeded } from './builders.js';

it('keeps every parameter of the request exactly, including a seed of 2^64−1 and words in any script', async () => {
  const fleet = await openFleet();
  const request = aRequest({
    seed: '18446744073709551615',
    prompt: 'Ein Leuchtturm, 灯台, маяк "\\\n\u0000🗼',
    cfg: 6.55,
    metadata: { note: 'é' },
    image: { name: `${'ab'.repeat(32)}.png`, kind: 'image', width: 640, height: 480, source: 'x_1.png' },
  });
  const { id } = (await fleet.submit({ kind: 'img2img', request })).record;
  expect((await fleet.get(id)).record).toMatchObject({ kind: 'img2img', request });
  expect((await nextClaim(await fleet.claims())).record.request).toEqual(request);
});

it('treats a repeated creation of a job as the first one', async () => {
  const fleet = await openFleet();
  const id = newId();
  const first = await fleet.ledger.orders.create(anOrder({ id }));
  const second = await fleet.ledger.orders.create(anOrder({ id, request: aRequest({ prompt: 'another' }) }));
  expect(second).toEqual(first);
  expect(await fleet.redis.zcard(fleet.keys.prioritized(POOL))).toBe(1);
  expect(await fleet.redis.zcard(fleet.keys.open(POOL))).toBe(1);
});

it("adds the work item and wakes workers as BullMQ's queue.add does", async () => {
  const fleet = await openFleet();
  const { redis, keys } = fleet;
  const { id } = (await fleet.submit()).record;
  const read = async () => {
    const { timestamp, opts, ...fields } = await redis.hgetall(keys.workItem(POOL, id));
    const score = await redis.zscore(keys.prioritized(POOL), id);
    const place = BigInt(score ?? 0) - BigInt((await redis.get(keys.priorityCounter(POOL))) ?? 0);
    // its key contains the id, and 0 attempts are the same as none
    const { jobId: _id, attempts: _none, ...options } = JSON.parse(opts ?? '') as Record<string, unknown>;
    const data = JSON.parse(fields.data ?? '') as object;
    const events = (await redis.xrange(keys.workEvents(POOL), '-', '+')).map(([, event]) => event);
    const marker = await redis.zrange(keys.marker(POOL), 0, '-1', 'WITHSCORES');
    return { fields: { ...fields, data }, options, place, marker, events, timestamp };
  };
  const { timestamp, ...ours } = await read();
  await redis.del(keys.workItem(POOL, id), keys.prioritized(POOL), keys.marker(POOL), keys.workEvents(POOL));
  const queues = createWorkQueues(redis, keys, quietLog());
  const data = { key: 'anonymous', workflow: 'text2img', lod: 'sketch', pool: POOL };
  await queues.of(POOL).add('text2img', data, { jobId: id, priority: 1 });
  await queues.close();
  const { timestamp: later, ...theirs } = await read();
  expect(ours).toEqual(theirs);
  expect(ours.place).toBe(2n ** 32n);
  expect(Number(later) - Number(timestamp)).toBeGreaterThanOrEqual(0);
  expect(Number(timestamp)).toBeGreaterThan(Date.now() - 60_000);
});

it('says what the operator can do when Redis refuses it because its memory is full', async () => {
  const server = await ownRedis();
  const fleet = await openFleet({ url: server.url });
  await askRedis(server, 'CONFIG SET maxmemory 1');
  const refused = { code: 'queue_unavailable', detail: expect.stringContaining('raise') };
  await expect(fleet.submit()).rejects.toMatchObject(refused);
});

it('does not revive an ended job when its creation is repeated', async () => {
  const fleet = await openFleet();
  const order = anOrder();
  const id = (await fleet.ledger.orders.create(order)).ids[0] ?? '';
  const source = await fleet.claims();
  await (await nextClaim(source)).finish(succeeded(id));
  expect((await fleet.ledger.orders.create(order)).only?.record.status).toBe('succeeded');
  expect(await claimNext(source)).toBeUndefined();
  expect((await fleet.get(id)).record).toMatchObject({ status: 'succeeded', claim: 1 });
});

it('refuses with queue_full at the limit of open jobs in all pools, and accepts a job after one has ended', async () => {
  const fleet = await openFleet({ maxOpenJobs: 2 });
  const source = await fleet.claims();
  const { id } = (await fleet.submit()).record;
  await fleet.submit();
  const refused = newId();
  const error = { code: 'queue_full', status: 429, retryable: true, retryAfterSeconds: 5 };
  await expect(fleet.submit({ id: refused })).rejects.toMatchObject(error);
  expect(await fleet.ledger.jobs.get(refused)).toBeUndefined();
  await expect(fleet.submit({ pool: 'another' })).rejects.toMatchObject(error);
  await (await nextClaim(source)).finish(succeeded(id));
  expect((await fleet.submit()).record.status).toBe('queued');
});

it('puts a webhook into the outbox when the job ends, and nothing for a job without one', async () => {
  const fleet = await openFleet();
  const { id } = (await fleet.submit({ callback: { url: 'https://example.com' } })).record;
  const without = (await fleet.submit()).record.id;
  expect(await fleet.redis.exists(fleet.keys.outbox)).toBe(0);
  await fleet.ledger.jobs.cancel(without);
  await fleet.ledger.jobs.cancel(id);
  const entries = (await fleet.redis.xrange(fleet.keys.outbox, '-', '+')).map(([, fields]) => fields);
  expect(entries).toEqual([['job', id, 'key', 'anonymous', 'url', 'https://example.com']]);
});

it('answers undefined for a job that does not exist', async () => {
  const fleet = await openFleet();
  expect(await fleet.ledger.jobs.get(newId())).toBeUndefined();
});

it('creates a job with half a character in its checkpoint, which callers can no longer order, and the jobs created with it', async () => {
  const fleet = await openFleet();
  const orders = [{ request: { checkpoint: '\ud800' } }, {}].map((order) => fleet.submit(order));
  const made = await Promise.all(orders);
  expect(made.map(({ record }) => record.status)).toEqual(['queued', 'queued']);
});

it('gives the comfy.org key to the worker only, and deletes it when the job has ended', async () => {
  const fleet = await openFleet();
  const { record } = await fleet.submit({ comfyKey: 'comfyui-secret' });
  const source = await fleet.worker('w1').claims('default');
  const claim = await nextClaim(source);
  expect(claim.record.comfyKey).toBe('comfyui-secret');
  expect(JSON.stringify(presentJob(await fleet.get(record.id)))).not.toContain('comfyui-secret');

  await claim.finish({ status: 'failed', error: { code: 'node_execution_error', detail: 'It failed.', nodeId: null } });
  expect((await fleet.get(record.id)).record.comfyKey).toBeNull();
  expect(await fleet.redis.hget(fleet.keys.job(record.id), 'comfy_key')).toBeNull();
  await source.close();
});

const TRACEPARENT = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01';

it('keeps the trace of a job on its record, for the worker and the dispatcher', async () => {
  const fleet = await openFleet();
  const { record } = await fleet.submit({ traceparent: TRACEPARENT });
  expect(record.traceparent).toBe(TRACEPARENT);
  expect((await nextClaim(await fleet.claims())).record.traceparent).toBe(TRACEPARENT);
  expect((await fleet.get(record.id)).record.traceparent).toBe(TRACEPARENT);
});

it('writes no trace if there is none', async () => {
  const fleet = await openFleet();
  const { id, traceparent } = (await fleet.submit()).record;
  expect(traceparent).toBeNull();
  expect(await fleet.redis.hexists(fleet.keys.job(id), 'traceparent')).toBe(0);
});
