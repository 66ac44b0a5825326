import { workerConnection } from '@comfy-fleet/redis';
import { until } from '@comfy-fleet/testing';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { hostOf } from '../src/webhooks/delivery-queue.js';
import { moveOutbox } from '../src/webhooks/outbox.js';
import { type Fleet, openFleet, ownRedis, quietLog } from './builders.js';
import { deliveryOf, dispatch, endedJob, endedJobs, nothingLeft, recorder, taken } from './deliveries-builders.js';

const never = () => new Promise<never>(() => {});

/** Longer than a test runs. */
const ENDLESS_MS = 3_600_000;

/** How many deliveries wait in a queue of BullMQ's, such as `delayed` or `active`. */
const delayedIn = (fleet: Fleet) => fleet.redis.zcard(fleet.keys.webhookPart('delayed'));
const activeIn = (fleet: Fleet) => fleet.redis.llen(fleet.keys.webhookPart('active'));

it.each([
  ['https://A.example./y', 'a.example'],
  ['http://a.example', 'a.example'],
  ['https://a.example.:8443/x', 'a.example:8443'],
])('%s is of the host %s', (url, host) => {
  expect(hostOf(url)).toBe(host);
});

/** How many scripts Redis has executed: each step of a queue is one. */
async function scripts(fleet: Fleet): Promise<number> {
  return Number(/cmdstat_evalsha:calls=(\d+)/.exec(await fleet.redis.info('commandstats'))?.[1]);
}

describe('a receiver that never answers', () => {
  it('gets only its slots filled, and holds up nobody else', async () => {
    const fleet = await openFleet();
    const receiver = recorder(({ webhook }) => (hostOf(webhook.url) === 'dead.example' ? never() : taken));
    const dispatcher = dispatch(fleet, receiver.handler);
    await endedJobs(fleet, 500, { url: 'https://dead.example/x' });
    const { reaches } = deliveryOf(fleet);
    for (let n = 0; n < 10; n++) await reaches(await endedJob(fleet, { url: 'https://good.example' }), 'delivered');
    expect(receiver.dues.filter(({ webhook }) => hostOf(webhook.url) === 'dead.example')).toHaveLength(4);
    await dispatcher.cutOff();
  });

  it('with thousands of waiting deliveries costs Redis almost nothing', async () => {
    // While the clock stands still, no parked delivery becomes due, however long this takes on a busy machine.
    vi.useFakeTimers({ toFake: ['Date'] });
    onTestFinished(() => void vi.useRealTimers());
    const server = await ownRedis();
    const fleet = await openFleet({ url: server.url });
    const receiver = recorder(({ webhook }) => (hostOf(webhook.url) === 'dead.example' ? never() : taken));
    // No lock expires meanwhile, and no regular check counts as a script.
    const overrides = { lockMs: ENDLESS_MS, stalledCheckMs: ENDLESS_MS };
    const dispatcher = dispatch(fleet, receiver.handler, { overrides });
    const count = 3000;
    await endedJobs(fleet, count, { url: 'https://dead.example/x' });
    // Half of the places of the process are left to other keys.
    await until('the others wait in Redis', async () => (await delayedIn(fleet)) === count - 4 - 1000);
    const before = await scripts(fleet);
    for (let n = 1; n <= 20; n++) {
      await endedJob(fleet, { url: 'https://good.example' });
      await receiver.got(4 + n);
    }
    // Each of the twenty deliveries takes a dozen scripts, including those of this test. A queue that rotates would
    // touch all deliveries again and again.
    expect((await scripts(fleet)) - before).toBeLessThan(count / 3);
    await dispatcher.cutOff();
  });
});

it('delivers the first webhook of a key at once, while another key has many to hosts that never answer', async () => {
  const fleet = await openFleet();
  const receiver = recorder(({ webhook }) => (hostOf(webhook.url).startsWith('dead') ? never() : taken));
  const dispatcher = dispatch(fleet, receiver.handler, { limits: { concurrency: 20 } });
  const dead = Array.from({ length: 60 }, (_, n) => ({ url: `https://dead${n}.example` }));
  await Promise.all(dead.map((callback) => endedJob(fleet, callback, 'anna')));
  await receiver.got(16);
  const { reaches } = deliveryOf(fleet);
  await reaches(await endedJob(fleet, { url: 'https://good.example' }, 'ben'), 'delivered');
  expect(receiver.dues.map(({ snapshot }) => snapshot.record.key)).toEqual([...Array(16).fill('anna'), 'ben']);
  await dispatcher.cutOff();
});

it('gives the first webhook of a key the highest priority, however many another key has', async () => {
  const fleet = await openFleet();
  await Promise.all(Array.from({ length: 150 }, () => endedJob(fleet, undefined, 'anna')));
  const id = await endedJob(fleet, undefined, 'ben');
  const blocking = workerConnection(fleet.settings, quietLog());
  onTestFinished(() => blocking.disconnect());
  const { redis, keys } = fleet;
  const stopping = new AbortController();
  const { queue } = deliveryOf(fleet);
  const moved = moveOutbox({ redis, blocking, keys, queue, log: quietLog() }, stopping.signal);
  await until('the outbox is empty', async () => (await redis.xlen(keys.outbox)) === 0);
  stopping.abort();
  await moved;
  // BullMQ's score is priority · 2^32, plus how many were added by then.
  expect(await redis.zscore(keys.webhookPart('prioritized'), `msg_${id}`)).toBe(`${2 ** 32 + 151}`);
  expect(await redis.zcard(keys.webhookPart('prioritized'))).toBe(151);
});

it('delivers the webhook of a key at once to a host that answers nothing to another key', async () => {
  const fleet = await openFleet();
  const receiver = recorder(({ snapshot }) => (snapshot.record.key === 'anna' ? never() : taken));
  const dispatcher = dispatch(fleet, receiver.handler);
  const shared = { url: 'https://hooks.example/x' };
  await Promise.all(Array.from({ length: 20 }, () => endedJob(fleet, shared, 'anna')));
  await receiver.got(4);
  const { reaches } = deliveryOf(fleet);
  await reaches(await endedJob(fleet, shared, 'ben'), 'delivered');
  expect(receiver.dues.map(({ snapshot }) => snapshot.record.key)).toEqual([...Array(4).fill('anna'), 'ben']);
  await dispatcher.cutOff();
});

it('delivers waiting webhooks as soon as the receiver answers again, each once and the first one first', async () => {
  const fleet = await openFleet();
  let open: () => void = () => {};
  const opened = new Promise<void>((resolve) => (open = resolve));
  const receiver = recorder(async () => {
    await opened;
    return taken;
  });
  dispatch(fleet, receiver.handler, { limits: { perHost: 1 } });
  const ids: string[] = [];
  for (let n = 0; n < 30; n++) ids.push(await endedJob(fleet));
  await until('all wait', async () => (await activeIn(fleet)) === 30);
  open();
  await receiver.got(30);
  await nothingLeft(fleet);
  // Deliveries of the same instant may change their order on the way to the queue.
  const told = receiver.dues.map(({ id }) => id);
  expect(told[0]).toBe(`msg_${ids[0]}`);
  expect(told.toSorted()).toEqual(ids.map((id) => `msg_${id}`).toSorted());
});
