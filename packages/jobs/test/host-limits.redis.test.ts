import { until } from '@comfy-fleet/testing';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { hostOf } from '../src/webhooks/delivery-queue.js';
import { HostLimits } from '../src/webhooks/host-limits.js';
import { HostQueues } from '../src/webhooks/host-queues.js';
import { type Fleet, openFleet, ownRedis } from './builders.js';
import { deliveryOf, dispatch, endedJob, endedJobs, nothingLeft, recorder, taken } from './deliveries-builders.js';

const never = () => new Promise<never>(() => {});

/** What one that waits costs when it looks whether it may go on: taken, read, put aside, and called for. */
const SCRIPTS_OF_A_LOOK = 5;

/** A target of a key. */
const at = (host: string, key = 'anna') => ({ host, key });

function clock() {
  let ms = 0;
  return { now: () => ms, pass: (more: number) => (ms += more) };
}

describe('places', () => {
  it('are bounded for each host, and free again when a delivery ends', () => {
    const places = new HostLimits({ concurrency: 64, perHost: 2, now: clock().now });
    const first = places.begin(at('a'));
    places.begin(at('a'));
    expect([places.hasFree(at('a')), places.hasFree(at('b'))]).toEqual([false, true]);
    first();
    expect(places.hasFree(at('a'))).toBe(true);
  });

  it('of a host that leaves the deliveries of one key unanswered are free for another key, to which it is not slow', () => {
    const { now, pass } = clock();
    const places = new HostLimits({ concurrency: 64, perHost: 2, now });
    places.begin(at('a', 'ben'))();
    places.begin(at('a'));
    places.begin(at('a'));
    pass(1500);
    expect([places.hasFree(at('a')), places.hasFree(at('a', 'ben'))]).toEqual([false, true]);
    expect([places.isSlow(at('a')), places.isSlow(at('a', 'ben'))]).toEqual([true, false]);
  });

  it('are half of all for hosts that have not answered yet, together', () => {
    const places = new HostLimits({ concurrency: 4, perHost: 1, now: clock().now });
    places.begin(at('a'))();
    places.begin(at('x', 'ben'));
    places.begin(at('y', 'carl'));
    expect([places.hasFree(at('z')), places.hasFree(at('a'))]).toEqual([false, true]);
  });

  it('at hosts that are slow or not known are a quarter of all for one key, and the rest of the half for the others', () => {
    const places = new HostLimits({ concurrency: 64, perHost: 4, now: clock().now });
    places.begin(at('good'))();
    const leave = Array.from({ length: 16 }, (_, n) => places.begin(at(`dead${n}`))).at(-1);
    expect([places.hasFree(at('new')), places.hasFree(at('new', 'ben')), places.hasFree(at('good'))]).toEqual([
      false,
      true,
      true,
    ]);
    leave?.();
    expect(places.hasFree(at('new'))).toBe(true);
  });

  it('are for each key as many as it leaves free, also at hosts that answer fast', () => {
    const places = new HostLimits({ concurrency: 8, perHost: 1, now: clock().now });
    const hosts = ['a', 'b', 'c', 'd', 'e'];
    const keys = ['anna', 'ben', 'carl', 'dora'];
    for (const key of keys) for (const host of hosts) places.begin(at(host, key))();
    const fill = (key: string) =>
      hosts.flatMap((host) => (places.hasFree(at(host, key)) ? [places.begin(at(host, key))] : []));
    const leave = keys.map(fill);
    expect(leave.map(({ length }) => length)).toEqual([4, 2, 1, 1]);
    leave[0]?.[0]?.();
    expect([places.hasFree(at('e')), places.hasFree(at('e', 'eve'))]).toEqual([false, true]);
  });

  it('count a host as slow whose answer took long, and while one is outstanding for long, until it answers fast', () => {
    const { now, pass } = clock();
    const places = new HostLimits({ concurrency: 4, perHost: 4, now });
    const [quick, slow] = [places.begin(at('a')), places.begin(at('a'))];
    quick();
    expect(places.isSlow(at('a'))).toBe(false);
    pass(1500);
    expect(places.isSlow(at('a'))).toBe(true);
    slow();
    expect(places.isSlow(at('a'))).toBe(true);
    places.begin(at('a'))();
    expect(places.isSlow(at('a'))).toBe(false);
  });
});

it.each([
  ['https://A.example./y', 'a.example'],
  ['http://a.example', 'a.example'],
  ['https://a.example.:8443/x', 'a.example:8443'],
])('%s is of the host %s', (url, host) => {
  expect(hostOf(url)).toBe(host);
});

describe('lines', () => {
  const lined = (perHost: number, concurrency = 64) => {
    const { now, pass } = clock();
    const places = new HostLimits({ concurrency, perHost, now });
    return { places, lines: new HostQueues(places, { perHost, now }), pass };
  };

  it('are called in the order of coming, as many as there are places, and none twice', () => {
    const { places, lines } = lined(2);
    const [one, two] = [places.begin(at('a')), places.begin(at('a'))];
    for (const id of ['1', '2', '3', '4']) lines.join(at('a'), id);
    expect(lines.call()).toEqual([]);
    one();
    expect(lines.call()).toEqual(['1']);
    expect(lines.call()).toEqual([]);
    two();
    expect(lines.call()).toEqual(['2']);
  });

  it('call the next one when the one called went to another process', () => {
    const { lines, pass } = lined(1);
    lines.join(at('a'), '1');
    lines.join(at('a'), '2');
    expect([lines.call(), lines.call()]).toEqual([['1'], []]);
    pass(60);
    expect(lines.call()).toEqual(['2']);
  });

  it('share the places of slow hosts out in turn', () => {
    const { places, lines, pass } = lined(4, 8);
    const busy = ['ben', 'carl', 'dora', 'eve'].map((key) => places.begin(at('x', key)));
    for (const host of ['a', 'b']) for (const n of [1, 2, 3]) lines.join(at(host), `${host}${n}`);
    expect(lines.call()).toEqual([]);
    for (const leave of busy) leave();
    expect(lines.call()).toEqual(['a1', 'b1']);
    expect(lines.call()).toEqual([]);
    pass(60);
    expect(lines.call()).toEqual(['a2', 'b2']);
    pass(60);
    expect(lines.call()).toEqual(['a3', 'b3']);
  });

  it('of a key with ever so many slow hosts leave places to the lines of the others', () => {
    const { places, lines } = lined(4);
    for (const n of Array(1000).keys()) lines.join(at(`dead${n}`), `${n}`);
    for (const name of ['new', 'newer']) lines.join(at(name, 'ben'), name);
    const own = Array.from({ length: 15 }, (_, n) => `${n}`);
    expect(lines.call()).toEqual(['0', 'new', '1', 'newer', ...own.slice(2)]);
    places.begin(at('good'))();
    lines.join(at('good'), 'fast');
    expect(lines.call()).toEqual(['fast']);
  });

  it('call one of the key with the fewest deliveries under way first, however many hosts and deliveries the others have', () => {
    const { places, lines } = lined(4, 8);
    const busy = ['anna', 'eve'].flatMap((key) => [places.begin(at('a', key)), places.begin(at('b', key))]);
    for (const n of Array(100).keys()) for (const key of ['anna', 'eve']) lines.join(at(`${n}`, key), `${key}${n}`);
    lines.join(at('c', 'ben'), 'late');
    expect(lines.call()).toEqual([]);
    busy[0]?.();
    expect(lines.call()).toEqual(['late']);
  });

  it('count those of a key that were let in or called, and have not arrived, to its part of the places', () => {
    const { places, lines, pass } = lined(2, 4);
    for (const host of ['a', 'b']) places.begin(at(host))();
    const admitted = ['1', '2', '3'].map((id) => lines.admits(at(id < '3' ? 'a' : 'b'), id));
    expect(admitted).toEqual([true, true, false]);
    lines.join(at('b'), '3');
    expect([lines.call(), lines.admits(at('a', 'ben'), '4')]).toEqual([[], true]);
    lines.arrived(at('a'), '1');
    expect([lines.call(), lines.admits(at('a'), '5')]).toEqual([['3'], false]);
    pass(60);
    expect(lines.admits(at('a'), '5')).toBe(true);
  });

  it('have those come by themselves after twice the time that the line before them should take, a minute at most', () => {
    const { places, lines, pass } = lined(4);
    const leave = places.begin(at('dead'));
    pass(10_000);
    leave();
    expect(lines.parkedMs(at('dead'))).toBe(5000);
    for (let n = 0; n < 10; n++) lines.join(at('dead'), `${n}`);
    expect(lines.parkedMs(at('dead'))).toBe(5000 + (2 * 10 * 10_000) / 4);
    for (let n = 10; n < 1000; n++) lines.join(at('dead'), `${n}`);
    expect(lines.parkedMs(at('dead'))).toBe(60_000);
    expect(lines.parkedMs(at('other'))).toBe(5000);
  });

  it('forget one that came by itself', () => {
    const { lines } = lined(1);
    lines.join(at('a'), '1');
    lines.arrived(at('a'), '1');
    expect(lines.call()).toEqual([]);
  });
});

/** Scripts that Redis has carried out: each step of a queue is one. */
async function scripts(fleet: Fleet): Promise<number> {
  return Number(/cmdstat_evalsha:calls=(\d+)/.exec(await fleet.redis.info('commandstats'))?.[1]);
}

describe('a receiver that never answers', () => {
  it('has its places filled and no more, and holds up nobody else', async () => {
    const fleet = await openFleet();
    const receiver = recorder(({ webhook }) => (hostOf(webhook.url) === 'dead.example' ? never() : taken));
    const dispatcher = dispatch(fleet, receiver.handler, { concurrency: 32, perHost: 4 });
    await endedJobs(fleet, 500, { url: 'https://dead.example/x' });
    const { reaches } = deliveryOf(fleet);
    for (let n = 0; n < 10; n++) await reaches(await endedJob(fleet, { url: 'https://good.example' }), 'delivered');
    expect(receiver.dues.filter(({ webhook }) => hostOf(webhook.url) === 'dead.example')).toHaveLength(4);
    await dispatcher.cutOff();
  });

  it('with thousands of deliveries costs Redis next to nothing while they wait', async () => {
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
    // Each of those that wait looks by itself once a minute: on a busy machine that may have come.
    const looks = Math.floor((performance.now() - began) / 60_000) * count;
    // Each of the twenty takes a dozen, with what this test asks; a line that turns would take all of them, and again.
    expect((await scripts(fleet)) - before).toBeLessThan(count / 3 + looks * SCRIPTS_OF_A_LOOK);
    await dispatcher.cutOff();
  });

  it('and all its kind together leave half of the places to those that answer', async () => {
    // An answer takes no time: on a machine that stood still those that answer would be slow, too.
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

it('delivers the first callback of a key at once, while another key has many to hosts that never answer', async () => {
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

it('delivers the callback of a key at once, while others have many to fast hosts that now take their time', async () => {
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

it('queues what is over a limit with a delay when it leaves the outbox, so that it takes no slot from others', async () => {
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

it('delivers the callback of a key at once to a host that leaves all of another key unanswered', async () => {
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

it('delivers what waited in line as soon as the receiver answers again, each once and the first one first', async () => {
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
  // Those that come in the same instant may change places on their way to the line.
  const told = receiver.dues.map(({ id }) => id);
  expect(told[0]).toBe(`msg_${ids[0]}`);
  expect(told.toSorted()).toEqual(ids.map((id) => `msg_${id}`).toSorted());
});
