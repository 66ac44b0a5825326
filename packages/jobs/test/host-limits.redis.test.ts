import { until } from '@comfy-fleet/testing';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { hostOf } from '../src/webhooks/delivery-queue.js';
import { HostLimits } from '../src/webhooks/host-limits.js';
import { HostQueues } from '../src/webhooks/host-queues.js';
import { type Fleet, openFleet, ownRedis } from './builders.js';
import { deliveryOf, dispatch, endedJob, endedJobs, nothingLeft, recorder, taken } from './deliveries-builders.js';

const never = () => new Promise<never>(() => {});

/** How many scripts it costs when a parked delivery continues by itself: taken, read, parked, and called. */
const SCRIPTS_OF_A_LOOK = 5;

/** A target of a key. */
const at = (host: string, key = 'anna') => ({ host, key });

function clock() {
  let ms = 0;
  return { now: () => ms, pass: (more: number) => (ms += more) };
}

describe('host limits', () => {
  it('bound the deliveries to each host until one ends', () => {
    const limits = new HostLimits({ concurrency: 64, perHost: 2, now: clock().now });
    const first = limits.begin(at('a'));
    limits.begin(at('a'));
    expect([limits.hasFree(at('a')), limits.hasFree(at('b'))]).toEqual([false, true]);
    first();
    expect(limits.hasFree(at('a'))).toBe(true);
  });

  it('leave a host free for a key to which it is fast while it does not answer another key', () => {
    const { now, pass } = clock();
    const limits = new HostLimits({ concurrency: 64, perHost: 2, now });
    limits.begin(at('a', 'ben'))();
    limits.begin(at('a'));
    limits.begin(at('a'));
    pass(1500);
    expect([limits.hasFree(at('a')), limits.hasFree(at('a', 'ben'))]).toEqual([false, true]);
    expect([limits.isSlow(at('a')), limits.isSlow(at('a', 'ben'))]).toEqual([true, false]);
  });

  it('leave half of all slots to unknown hosts together', () => {
    const limits = new HostLimits({ concurrency: 4, perHost: 1, now: clock().now });
    limits.begin(at('a'))();
    limits.begin(at('x', 'ben'));
    limits.begin(at('y', 'carl'));
    expect([limits.hasFree(at('z')), limits.hasFree(at('a'))]).toEqual([false, true]);
  });

  it('leave a key a quarter of all slots for slow and unknown hosts, and the rest of the half to other keys', () => {
    const limits = new HostLimits({ concurrency: 64, perHost: 4, now: clock().now });
    limits.begin(at('good'))();
    const leave = Array.from({ length: 16 }, (_, n) => limits.begin(at(`dead${n}`))).at(-1);
    expect([limits.hasFree(at('new')), limits.hasFree(at('new', 'ben')), limits.hasFree(at('good'))]).toEqual([
      false,
      true,
      true,
    ]);
    leave?.();
    expect(limits.hasFree(at('new'))).toBe(true);
  });

  it('give each key as many slots as it leaves free, also for fast hosts', () => {
    const limits = new HostLimits({ concurrency: 8, perHost: 1, now: clock().now });
    const hosts = ['a', 'b', 'c', 'd', 'e'];
    const keys = ['anna', 'ben', 'carl', 'dora'];
    for (const key of keys) for (const host of hosts) limits.begin(at(host, key))();
    const fill = (key: string) =>
      hosts.flatMap((host) => (limits.hasFree(at(host, key)) ? [limits.begin(at(host, key))] : []));
    const leave = keys.map(fill);
    expect(leave.map(({ length }) => length)).toEqual([4, 2, 1, 1]);
    leave[0]?.[0]?.();
    expect([limits.hasFree(at('e')), limits.hasFree(at('e', 'eve'))]).toEqual([false, true]);
  });

  it('count a host as slow after a slow answer or during one, until it answers fast', () => {
    const { now, pass } = clock();
    const limits = new HostLimits({ concurrency: 4, perHost: 4, now });
    const [quick, slow] = [limits.begin(at('a')), limits.begin(at('a'))];
    quick();
    expect(limits.isSlow(at('a'))).toBe(false);
    pass(1500);
    expect(limits.isSlow(at('a'))).toBe(true);
    slow();
    expect(limits.isSlow(at('a'))).toBe(true);
    limits.begin(at('a'))();
    expect(limits.isSlow(at('a'))).toBe(false);
  });
});

it.each([
  ['https://A.example./y', 'a.example'],
  ['http://a.example', 'a.example'],
  ['https://a.example.:8443/x', 'a.example:8443'],
])('%s is of the host %s', (url, host) => {
  expect(hostOf(url)).toBe(host);
});

describe('host queues', () => {
  const open = (perHost: number, concurrency = 64) => {
    const { now, pass } = clock();
    const limits = new HostLimits({ concurrency, perHost, now });
    return { limits, queues: new HostQueues(limits, { perHost, now }), pass };
  };

  it('call deliveries in order of arrival, as many as there are slots, and none twice', () => {
    const { limits, queues } = open(2);
    const [one, two] = [limits.begin(at('a')), limits.begin(at('a'))];
    for (const id of ['1', '2', '3', '4']) queues.join(at('a'), id);
    expect(queues.call()).toEqual([]);
    one();
    expect(queues.call()).toEqual(['1']);
    expect(queues.call()).toEqual([]);
    two();
    expect(queues.call()).toEqual(['2']);
  });

  it('call the next delivery when the called one went to another process', () => {
    const { queues, pass } = open(1);
    queues.join(at('a'), '1');
    queues.join(at('a'), '2');
    expect([queues.call(), queues.call()]).toEqual([['1'], []]);
    pass(60);
    expect(queues.call()).toEqual(['2']);
  });

  it('share the slots of slow hosts in turn', () => {
    const { limits, queues, pass } = open(4, 8);
    const busy = ['ben', 'carl', 'dora', 'eve'].map((key) => limits.begin(at('x', key)));
    for (const host of ['a', 'b']) for (const n of [1, 2, 3]) queues.join(at(host), `${host}${n}`);
    expect(queues.call()).toEqual([]);
    for (const leave of busy) leave();
    expect(queues.call()).toEqual(['a1', 'b1']);
    expect(queues.call()).toEqual([]);
    pass(60);
    expect(queues.call()).toEqual(['a2', 'b2']);
    pass(60);
    expect(queues.call()).toEqual(['a3', 'b3']);
  });

  it('leave slots to the queues of other keys, however many slow hosts a key has', () => {
    const { limits, queues } = open(4);
    for (const n of Array(1000).keys()) queues.join(at(`dead${n}`), `${n}`);
    for (const name of ['new', 'newer']) queues.join(at(name, 'ben'), name);
    const own = Array.from({ length: 15 }, (_, n) => `${n}`);
    expect(queues.call()).toEqual(['0', 'new', '1', 'newer', ...own.slice(2)]);
    limits.begin(at('good'))();
    queues.join(at('good'), 'fast');
    expect(queues.call()).toEqual(['fast']);
  });

  it('first call a delivery of the key with the fewest, however many hosts and deliveries the others have', () => {
    const { limits, queues } = open(4, 8);
    const busy = ['anna', 'eve'].flatMap((key) => [limits.begin(at('a', key)), limits.begin(at('b', key))]);
    for (const n of Array(100).keys()) for (const key of ['anna', 'eve']) queues.join(at(`${n}`, key), `${key}${n}`);
    queues.join(at('c', 'ben'), 'late');
    expect(queues.call()).toEqual([]);
    busy[0]?.();
    expect(queues.call()).toEqual(['late']);
  });

  it('count admitted and called deliveries that have not arrived as slots of the key', () => {
    const { limits, queues, pass } = open(2, 4);
    for (const host of ['a', 'b']) limits.begin(at(host))();
    const admitted = ['1', '2', '3'].map((id) => queues.admits(at(id < '3' ? 'a' : 'b'), id));
    expect(admitted).toEqual([true, true, false]);
    queues.join(at('b'), '3');
    expect([queues.call(), queues.admits(at('a', 'ben'), '4')]).toEqual([[], true]);
    queues.arrived(at('a'), '1');
    expect([queues.call(), queues.admits(at('a'), '5')]).toEqual([['3'], false]);
    pass(60);
    expect(queues.admits(at('a'), '5')).toBe(true);
  });

  it('let deliveries continue by themselves after twice the time of the queue before them, at most a minute', () => {
    const { limits, queues, pass } = open(4);
    const leave = limits.begin(at('dead'));
    pass(10_000);
    leave();
    expect(queues.parkedMs(at('dead'))).toBe(5000);
    for (let n = 0; n < 10; n++) queues.join(at('dead'), `${n}`);
    expect(queues.parkedMs(at('dead'))).toBe(5000 + (2 * 10 * 10_000) / 4);
    for (let n = 10; n < 1000; n++) queues.join(at('dead'), `${n}`);
    expect(queues.parkedMs(at('dead'))).toBe(60_000);
    expect(queues.parkedMs(at('other'))).toBe(5000);
  });

  it('forget a delivery that continued by itself', () => {
    const { queues } = open(1);
    queues.join(at('a'), '1');
    queues.arrived(at('a'), '1');
    expect(queues.call()).toEqual([]);
  });
});

/** How many scripts Redis has executed: each step of a queue is one. */
async function scripts(fleet: Fleet): Promise<number> {
  return Number(/cmdstat_evalsha:calls=(\d+)/.exec(await fleet.redis.info('commandstats'))?.[1]);
}

describe('a receiver that never answers', () => {
  it('gets only its slots filled, and holds up nobody else', async () => {
    const fleet = await openFleet();
    const receiver = recorder(({ webhook }) => (hostOf(webhook.url) === 'dead.example' ? never() : taken));
    const dispatcher = dispatch(fleet, receiver.handler, { concurrency: 32, perHost: 4 });
    await endedJobs(fleet, 500, { url: 'https://dead.example/x' });
    const { reaches } = deliveryOf(fleet);
    for (let n = 0; n < 10; n++) await reaches(await endedJob(fleet, { url: 'https://good.example' }), 'delivered');
    expect(receiver.dues.filter(({ webhook }) => hostOf(webhook.url) === 'dead.example')).toHaveLength(4);
    await dispatcher.cutOff();
  });

  it('with thousands of waiting deliveries costs Redis almost nothing', async () => {
    const server = await ownRedis();
    const fleet = await openFleet({ url: server.url });
    const receiver = recorder(({ webhook }) => (hostOf(webhook.url) === 'dead.example' ? never() : taken));
    const dispatcher = dispatch(fleet, receiver.handler, { concurrency: 32, perHost: 4 });
    const count = 3000;
    const began = performance.now();
    await endedJobs(fleet, count, { url: 'https://dead.example/x' });
    const delayed = `${fleet.keys.prefix}:${fleet.keys.webhookQueue}:delayed`;
    await until('all wait in their line', async () => (await fleet.redis.zcard(delayed)) === count - 4);
    const before = await scripts(fleet);
    for (let n = 1; n <= 20; n++) {
      await endedJob(fleet, { url: 'https://good.example' });
      await receiver.got(4 + n);
    }
    // Each parked delivery continues by itself once a minute, which may have happened on a busy machine.
    const looks = Math.floor((performance.now() - began) / 60_000) * count;
    // Each of the twenty deliveries takes a dozen scripts, including those of this test. A queue that rotates would
    // touch all deliveries again and again.
    expect((await scripts(fleet)) - before).toBeLessThan(count / 3 + looks * SCRIPTS_OF_A_LOOK);
    await dispatcher.cutOff();
  });

  it('leaves, with others like it, half of the slots to receivers that answer', async () => {
    // With a frozen clock, answers take no time: on a stalled machine, fast receivers would be slow, too.
    vi.useFakeTimers({ toFake: ['performance'] });
    onTestFinished(() => void vi.useRealTimers());
    const fleet = await openFleet();
    const receiver = recorder(({ webhook }) => (hostOf(webhook.url) === 'good.example' ? taken : never()));
    const dispatcher = dispatch(fleet, receiver.handler, { concurrency: 8, perHost: 4 });
    const { reaches } = deliveryOf(fleet);
    await reaches(await endedJob(fleet, { url: 'https://good.example' }), 'delivered');
    for (let n = 0; n < 20; n++) await endedJob(fleet, { url: `https://dead${n}.example` }, `key${n % 5}`);
    await receiver.got(1 + 4);
    for (let n = 0; n < 10; n++) await reaches(await endedJob(fleet, { url: 'https://good.example' }), 'delivered');
    expect(receiver.dues).toHaveLength(1 + 4 + 10);
    await dispatcher.cutOff();
  });
});

it('delivers the first webhook of a key at once, while another key has many to hosts that never answer', async () => {
  const fleet = await openFleet();
  const receiver = recorder(({ webhook }) => (hostOf(webhook.url).startsWith('dead') ? never() : taken));
  const dispatcher = dispatch(fleet, receiver.handler, { concurrency: 64, perHost: 4 });
  const dead = Array.from({ length: 60 }, (_, n) => ({ url: `https://dead${n}.example` }));
  await Promise.all(dead.map((callback) => endedJob(fleet, callback, 'anna')));
  await receiver.got(16);
  const { reaches } = deliveryOf(fleet);
  await reaches(await endedJob(fleet, { url: 'https://good.example' }, 'ben'), 'delivered');
  expect(receiver.dues.map(({ snapshot }) => snapshot.record.key)).toEqual([...Array(16).fill('anna'), 'ben']);
  await dispatcher.cutOff();
});

it('delivers the webhook of a key at once, while others have many to fast hosts that have become slow', async () => {
  vi.useFakeTimers({ toFake: ['performance'] }); // so that no host becomes slow
  onTestFinished(() => void vi.useRealTimers());
  const fleet = await openFleet();
  const { reaches } = deliveryOf(fleet);
  let takeTime = false;
  const receiver = recorder(({ snapshot }) => (takeTime && snapshot.record.key !== 'ben' ? never() : taken));
  const dispatcher = dispatch(fleet, receiver.handler, { concurrency: 16, perHost: 4 });
  const hosts = Array.from({ length: 20 }, (_, n) => ({ url: `https://fast${n}.example` }));
  const order = (key: string) => Promise.all(hosts.map((callback) => endedJob(fleet, callback, key)));
  const others = ['anna', 'carl', 'dora'];
  for (const key of others) for (const id of await order(key)) await reaches(id, 'delivered');
  takeTime = true;
  for (const [n, key] of others.entries()) {
    await order(key);
    await receiver.got(60 + ([8, 12, 14][n] ?? 0));
  }
  await reaches(await endedJob(fleet, { url: 'https://good.example' }, 'ben'), 'delivered');
  expect(receiver.dues).toHaveLength(60 + 14 + 1);
  await dispatcher.cutOff();
});

it('queues deliveries over a limit with a delay when they leave the outbox, so that they take no slot from others', async () => {
  const fleet = await openFleet();
  const dispatcher = dispatch(fleet, recorder(never).handler, { perHost: 1 });
  await endedJobs(fleet, 20);
  const { queue } = deliveryOf(fleet);
  const delayed = queue.keysOf('').delayed;
  await until('all but one wait', async () => (await fleet.redis.zcard(delayed)) === 19);
  const ids = await fleet.redis.zrange(delayed, 0, '-1');
  const options = await Promise.all(ids.map((id) => fleet.redis.hget(queue.keysOf(id).item, 'opts')));
  await dispatcher.cutOff();
  for (const text of options) expect(JSON.parse(text ?? '').delay).toBeGreaterThan(0);
});

it('delivers the webhook of a key at once to a host that answers nothing to another key', async () => {
  const fleet = await openFleet();
  const receiver = recorder(({ snapshot }) => (snapshot.record.key === 'anna' ? never() : taken));
  const dispatcher = dispatch(fleet, receiver.handler, { concurrency: 64, perHost: 4 });
  const shared = { url: 'https://hooks.example/x' };
  await Promise.all(Array.from({ length: 20 }, () => endedJob(fleet, shared, 'anna')));
  await receiver.got(4);
  const { reaches } = deliveryOf(fleet);
  await reaches(await endedJob(fleet, shared, 'ben'), 'delivered');
  expect(receiver.dues.map(({ snapshot }) => snapshot.record.key)).toEqual([...Array(4).fill('anna'), 'ben']);
  await dispatcher.cutOff();
});

it('delivers parked webhooks as soon as the receiver answers again, each once and the first one first', async () => {
  const fleet = await openFleet();
  let open: () => void = () => {};
  const opened = new Promise<void>((resolve) => (open = resolve));
  const receiver = recorder(async () => {
    await opened;
    return taken;
  });
  dispatch(fleet, receiver.handler, { perHost: 1 });
  const ids: string[] = [];
  for (let n = 0; n < 30; n++) ids.push(await endedJob(fleet));
  const delayed = `${fleet.keys.prefix}:${fleet.keys.webhookQueue}:delayed`;
  await until('all wait', async () => (await fleet.redis.zcard(delayed)) === 29);
  open();
  await receiver.got(30);
  await nothingLeft(fleet);
  // Deliveries of the same instant may change their order on the way to the queue.
  const told = receiver.dues.map(({ id }) => id);
  expect(told[0]).toBe(`msg_${ids[0]}`);
  expect(told.toSorted()).toEqual(ids.map((id) => `msg_${id}`).toSorted());
});
