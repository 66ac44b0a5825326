import { newId } from '@comfy-fleet/contracts';
import { until } from '@comfy-fleet/testing';
import { describe, expect, it } from 'vitest';
import type { Claim } from '../src/index.js';
import { aFrame, countCommands, type Fleet, failed, POOL } from './builders.js';
import { affinity, checkpointOf, openPool, PATIENCE_MS, submit } from './model-pool.js';

const MINUTE_MS = 60_000;

const HOLDS_A = { a: 0, b: 8000 };

it('gives an instance jobs whose models it holds, until another one was passed over for the patience', async () => {
  const { fleet, given, wait } = await openPool();
  const loads = { a: 0, b: 8000, c: 8000 };
  await submit(fleet, 'b', 'c', 'a', 'a', 'a', 'a');
  expect([await given('w/1', loads), await given('w/1', loads)]).toEqual(['a', 'a']);
  await wait();
  // The instance loads models for an overdue job at most once per patience.
  expect([await given('w/1', loads), await given('w/1', loads)]).toEqual(['b', 'a']);
  await wait();
  expect(await given('w/1', loads)).toBe('c');
});

it('gives jobs in their order without patience', async () => {
  const { fleet, given } = await openPool({ modelPatienceMs: 0 });
  await submit(fleet, 'b', 'a', 'b', 'a');
  const order = [];
  for (let n = 0; n < 4; n += 1) order.push(await given('w/1', HOLDS_A));
  expect(order).toEqual(['b', 'a', 'b', 'a']);
});

it('gives a job of low priority after enough overtakes, even if the instance was not asked about such jobs before', async () => {
  const { fleet, given } = await openPool({ maxOvertakes: 3 });
  const loads = { a: 0, b: 0 };
  const urgent = () => fleet.submit({ request: { checkpoint: 'a', priority: 2 }, models: ['a'] });
  await urgent();
  await given('w/1', loads);
  await urgent();
  await fleet.submit({ request: { checkpoint: 'b', priority: -2 }, models: ['b'] });
  const order = [];
  for (let n = 0; n < 5; n += 1) {
    order.push(await given('w/1', loads));
    await urgent();
  }
  expect(order).toEqual(['a', 'a', 'a', 'a', 'b']);
});

it('gives a job of low priority after enough overtakes, even if an older one waits that the instance cannot run', async () => {
  const { fleet, given } = await openPool({ maxOvertakes: 3 });
  const loads = { a: 0, b: 0 };
  const urgent = () => fleet.submit({ request: { checkpoint: 'a', priority: 2 }, models: ['a'] });
  await submit(fleet, 'missing');
  await fleet.submit({ request: { checkpoint: 'b', priority: -2 }, models: ['b'] });
  const order = [];
  for (let n = 0; n < 5; n += 1) {
    await urgent();
    order.push(await given('w/1', loads));
  }
  // One more than allowed, because the older job that still waits counts for it.
  expect(order).toEqual(['a', 'a', 'a', 'a', 'b']);
});

it('gives an instance first the jobs of a queue that encode the same as its last one, among the first sixteen', async () => {
  const { fleet, source, wait } = await openPool();
  const texts = ['cat', 'fox', 'cat', ...Array<string>(16).fill('dog'), 'fox', 'fox'];
  const ids: string[] = [];
  for (const encoding of texts) ids.push((await fleet.submit({ encoding })).record.id);
  const given = async (encoding?: string) => {
    const claim = (await source.nextFor({ name: 'w/1', encoding, fit: () => 0 })) as Claim;
    return `${claim.record.encoding} ${ids.indexOf(claim.record.id)}`;
  };
  expect([await given(), await given('cat'), await given('fox')]).toEqual(['cat 0', 'cat 2', 'fox 1']);
  expect([await given('fox'), await given('fox')]).toEqual(['dog 3', 'fox 19']);
  await wait();
  expect([await given('fox'), await given('fox')]).toEqual(['dog 4', 'fox 20']);
});

it('asks an instance once about similar jobs, and gives it none that it cannot run', async () => {
  const { fleet, given, asked } = await openPool();
  await submit(fleet, 'b', 'b', 'a', 'a');
  expect([await given('w/1', { a: 0 }), await given('w/1', { a: 0 }), await given('w/1', { a: 0 })]).toEqual([
    'a',
    'a',
    'left',
  ]);
  expect(asked.toSorted()).toEqual(['a', 'b']);
  expect(await given('w/2', { b: 0 })).toBe('b');
});

it('finds the job that an instance can run behind hundreds of different jobs of its key that it cannot', async () => {
  const { fleet, given } = await openPool();
  for (let n = 0; n < 255; n += 1) await fleet.submit({ request: { checkpoint: `${n}` } });
  await submit(fleet, 'a');
  expect(await given('w/1', { a: 0 })).toBe('a');
});

it('asks an instance little about jobs of new kinds that it cannot run before it gives it a job of another key', async () => {
  const { fleet, asked, claim } = await openPool();
  const order = (key: string, checkpoint: string) =>
    fleet.submit({ key, request: { checkpoint }, models: [checkpoint] });
  const serve = async () => {
    const { record, finish } = (await claim('w/1', { a: 0 })) as Claim;
    await finish({ status: 'succeeded', outputs: [aFrame(record.id)], executedMs: 2 * PATIENCE_MS });
    return record.key;
  };
  for (let n = 0; n < 100; n += 1) await order('mallory', `missing ${n}`);
  for (let n = 0; n < 3; n += 1) {
    await order('victim', 'a');
    expect(await serve()).toBe('victim');
  }
  expect(asked.filter((checkpoint) => checkpoint !== 'a')).toHaveLength(48);
});

it('lets a key save up little GPU time while no instance can run its waiting job', async () => {
  const { fleet, claim } = await openPool();
  const order = (key: string, checkpoint: string) =>
    fleet.submit({ key, request: { checkpoint }, models: [checkpoint] });
  const serve = async () => {
    const { record, finish } = (await claim('w/1', { a: 0 })) as Claim;
    await finish({ status: 'succeeded', outputs: [aFrame(record.id)], executedMs: 20_000 });
    return record.key;
  };
  await order('bert', 'missing');
  for (let n = 0; n < 14; n++) await order('anna', 'a');
  for (let n = 0; n < 10; n++) expect(await serve()).toBe('anna');
  for (let n = 0; n < 8; n++) await order('bert', 'a');
  const served = [];
  for (let n = 0; n < 6; n++) served.push(await serve());
  expect(served.slice(0, 2)).toEqual(['bert', 'bert']);
  expect(served).toContain('anna');
});

it('lets a key save up no more when its jobs end earlier than such jobs usually do', async () => {
  const { fleet, claim } = await openPool();
  const order = (key: string, checkpoint: string) =>
    fleet.submit({ key, request: { checkpoint }, models: [checkpoint] });
  const next = async () => (await claim('w/1', { a: 0, b: 0 })) as Claim;
  const serve = async (executedMs: number) => {
    const { record, finish } = await next();
    await finish({ status: 'succeeded', outputs: [aFrame(record.id)], executedMs });
    return record.key;
  };
  await order('bert', 'b');
  await order('bert', 'missing');
  expect(await serve(10 * MINUTE_MS)).toBe('bert');
  for (let n = 0; n < 40; n++) await order('anna', 'a');
  for (let n = 0; n < 25; n++) expect(await serve(MINUTE_MS)).toBe('anna');
  for (let n = 0; n < 14; n++) await order('bert', 'b');
  const served = [];
  for (let n = 0; n < 14; n++) {
    const { record, finish } = await next();
    served.push(record.key);
    await fleet.redis.hset(fleet.keys.job(record.id), 'started_at', Date.now() - PATIENCE_MS);
    await finish(failed());
  }
  expect(served.filter((key) => key === 'bert').length).toBeLessThan(12);
});

it('shares an instance by what its keys use, however much keys use on instances that run none of their jobs', async () => {
  const { fleet, claim } = await openPool();
  const order = (key: string, checkpoint: string) =>
    fleet.submit({ key, request: { checkpoint }, models: [checkpoint] });
  const lengths: Readonly<Record<string, number>> = { short: 10_000, long: MINUTE_MS, alone: 10_000 };
  const used: Record<string, number> = { short: 0, long: 0, alone: 0 };
  const serve = async (name: string, checkpoint: string) => {
    const { record, finish } = (await claim(name, { [checkpoint]: 0 })) as Claim;
    const executedMs = lengths[record.key] as number;
    await finish({ status: 'succeeded', outputs: [aFrame(record.id)], executedMs });
    used[record.key] = (used[record.key] as number) + executedMs;
    await order(record.key, checkpoint);
    return executedMs;
  };
  await order('alone', 'b');
  for (let n = 0; n < 2; n += 1) for (const key of ['short', 'long']) await order(key, 'a');
  for (let [ms, aloneMs] = [0, 0]; ms < 20 * MINUTE_MS; ) {
    ms += await serve('w/2', 'a');
    while (aloneMs < ms) aloneMs += await serve('w/1', 'b');
  }
  expect(used.short).toBeGreaterThan(0.8 * (used.long as number));
});

it('does not let a key save up GPU time while the only instance that can run its jobs has nothing to do', async () => {
  const { fleet, claim } = await openPool();
  const order = (key: string, checkpoint: string) =>
    fleet.submit({ key, request: { checkpoint }, models: [checkpoint] });
  const serve = async (name: string, checkpoint: string, executedMs: number) => {
    const { record, finish } = (await claim(name, { [checkpoint]: 0 })) as Claim;
    await finish({ status: 'succeeded', outputs: [aFrame(record.id)], executedMs });
    return record.key;
  };
  await order('anna', 'a');
  await order('anna', 'missing');
  await serve('w/1', 'a', 1);
  expect(await claim('w/1', { a: 0 })).toBe('left');
  await order('bert', 'b');
  await order('bert', 'b');
  await serve('w/2', 'b', 60 * MINUTE_MS);
  await serve('w/2', 'b', 1);
  for (let n = 0; n < 10; n += 1) for (const key of ['anna', 'bert']) await order(key, 'a');
  const served: string[] = [];
  for (let n = 0; n < 10; n += 1) served.push(await serve('w/1', 'a', 20_000));
  expect(served.filter((key) => key === 'bert').length).toBeGreaterThanOrEqual(3);
});

it('gives up for a while on an instance that keeps repeating its answers', async () => {
  const { fleet, source } = await openPool();
  for (let n = 0; n < 40; n += 1) {
    await fleet.submit({ key: `key ${n}`, request: { checkpoint: `${n}` }, models: [`${n}`] });
  }
  const fit = async () => {
    await fleet.redis.del(fleet.keys.fits('w/1'));
    return -1;
  };
  expect(await source.nextFor({ name: 'w/1', fit })).toBe('left');
});

it('finds the job that an instance can run behind those of a hundred keys that it cannot', async () => {
  const { fleet, given } = await openPool();
  for (let n = 0; n < 100; n += 1) {
    await fleet.submit({ key: `key ${n}`, request: { checkpoint: 'b' }, models: ['b'] });
  }
  await fleet.submit({ key: 'last', request: { checkpoint: 'a' }, models: ['a'] });
  expect(await given('w/1', { a: 0 })).toBe('a');
});

it('leaves jobs to an instance that holds their models and will finish them before they could be loaded', async () => {
  const { fleet, given, announce, wait } = await openPool();
  // Similar jobs are assumed to take ten seconds, since nothing was learned.
  await announce('w/1', { a: 0 });
  await announce('w/2', { a: 60_000 });
  await submit(fleet, 'a', 'a');
  expect(await given('w/2', { a: 60_000 })).toBe('left');
  await submit(fleet, ...Array<string>(6).fill('a'));
  expect(await given('w/2', { a: 60_000 })).toBe('a');
  await announce('w/2', { a: 60_000 });
  // One instance could not finish these jobs in time, but none waits longer than the patience.
  for (let n = 0; n < 5; n += 1) await given('w/1', { a: 0 });
  expect(await given('w/2', { a: 60_000 })).toBe('left');
  await wait();
  expect(await given('w/2', { a: 60_000 })).toBe('a');
});

it('counts the jobs that wait for models, also while jobs with a thousand other affinity keys wait', async () => {
  const { fleet, given, announce } = await openPool();
  await announce('w/1', { a: 0 });
  await announce('w/2', { a: 60_000 });
  const others = Array.from({ length: 1000 }, (_, n) => [`graph-${n}`, 1] as const);
  await fleet.redis.hset(fleet.keys.affinities(POOL), Object.fromEntries(others));
  await submit(fleet, ...Array<string>(8).fill('a'));
  expect(await given('w/2', { a: 60_000 })).toBe('a');
});

it('gives an instance that must load the next job, even if the record of one before it is gone', async () => {
  const { fleet, given, announce } = await openPool();
  await announce('w/1', { a: 0, b: 0 });
  await announce('w/2', { a: 1000, b: 1000 });
  const [gone = ''] = await submit(fleet, 'a', 'b', 'b');
  await fleet.redis.del(fleet.keys.job(gone));
  expect(await given('w/2', {})).toBe('b');
});

it('counts only current instances as holders, however many there were within the last day', async () => {
  const { fleet, given, announce } = await openPool();
  const gone = Array.from({ length: 500 }, (_, n) => [`gone-${n}/1`, `${Date.now()} digest`] as const);
  await fleet.redis.hset(fleet.keys.catalogueDigests(POOL), Object.fromEntries(gone));
  await announce('w/1', { a: 0 });
  await announce('w/2', { a: 60_000 });
  await submit(fleet, 'a', 'a');
  expect(await given('w/2', { a: 60_000 })).toBe('left');
});

it('reads once for concurrent slots of an instance, and each gets a job', async () => {
  const { fleet, claim } = await openPool();
  const ids = await submit(fleet, 'a', 'a', 'a');
  await claim('w/1', HOLDS_A);
  const count = await countCommands(fleet);
  const claims = await Promise.all([claim('w/1', HOLDS_A), claim('w/1', HOLDS_A)]);
  expect(claims.map((one) => one !== 'left' && one?.record.id)).toEqual(ids.slice(1));
  await until('both are seen to be taken', () => count('LPUSH', fleet.keys.active(POOL)) === 2);
  expect(count('RPOP', fleet.keys.waitList(POOL))).toBe(1);
});

it('lets the other slots of an instance choose again once it loads models for one of them', async () => {
  const { fleet, claim } = await openPool();
  await submit(fleet, 'a', 'b', 'a', 'b');
  const loads = { a: 8000, b: 8000 };
  const claims = await Promise.all(['w/1', 'w/1'].map((name) => claim(name, loads)));
  expect(claims.map(checkpointOf)).toEqual(['a', 'a']);
});

it('loads models first that nobody holds, then those with the most work for each holder', async () => {
  const { fleet, given, announce } = await openPool();
  const names = ['w/1', 'w/2', 'w/3', 'w/4'];
  const empty = { a: 1000, b: 1000, c: 1000 };
  for (const name of names) await announce(name, empty);
  await submit(fleet, ...Array<string>(12).fill('a'), ...Array<string>(6).fill('b'), ...Array<string>(6).fill('c'));
  const loaded = [];
  for (const name of names) loaded.push(await given(name, empty));
  expect(loaded).toEqual(['a', 'b', 'c', 'a']);
});

it('gives an instance on which a job failed the next one, and that job once no other instance can try it', async () => {
  const { fleet, source, claim } = await openPool();
  const [first = '', second = ''] = await submit(fleet, 'a', 'a');
  const failing = (await claim('w/1', { a: 0 })) as Claim;
  const promptId = newId();
  await failing.submit(promptId, 'w/1');
  await failing.lose(promptId, 'faulty', [{ instance: 'w/1', code: 'gpu_failed', print: 'x', suspect: false }]);
  await failing.release(0);
  await until('it is back', () => fleet.redis.zscore(fleet.keys.delayed(POOL), first));
  const askedAbout: string[] = [];
  const ask = (isAlone: boolean) =>
    source.nextFor({
      name: 'w/1',
      fit: () => 0,
      mayRetry: async ({ id }) => {
        askedAbout.push(id);
        return isAlone;
      },
    });
  expect(((await ask(false)) as Claim).record.id).toBe(second);
  expect(await ask(false)).toBe('left');
  expect((await fleet.get(first)).record.claim).toBe(1);
  expect(((await ask(true)) as Claim).record.id).toBe(first);
  expect(new Set(askedAbout)).toEqual(new Set([first]));
});

it('gives an occupied instance jobs that no other instance can run, and those that failed on all that can', async () => {
  const { fleet, source, claim, announce } = await openPool();
  await announce('w/2', { a: 0, b: -1 });
  const ask = () => source.nextFor({ name: 'w/1', fit: () => 0, others: ['w/2'] });
  const [first = ''] = await submit(fleet, 'a', 'b');
  expect(checkpointOf(await ask())).toBe('b');
  expect(await ask()).toBe('left');
  const failing = (await claim('w/2', { a: 0 })) as Claim;
  const promptId = newId();
  await failing.submit(promptId, 'w/2');
  await failing.lose(promptId, 'faulty', [{ instance: 'w/2', code: 'gpu_failed', print: 'x', suspect: false }]);
  await failing.release(0);
  await until('it is back', () => fleet.redis.zscore(fleet.keys.delayed(POOL), first));
  expect(((await ask()) as Claim).record.id).toBe(first);
});

describe('an instance that refuses jobs', () => {
  const ALL = { a: 0, b: 0 };
  const order = (fleet: Fleet, key: string, checkpoint: string) =>
    fleet.submit({ id: newId(), request: { checkpoint }, models: [checkpoint], key });
  const keyOf = (claim: Claim | 'left' | undefined) => (claim as Claim).record.key;

  it('gets jobs of other keys behind any number of a refused key, which other instances get', async () => {
    const { fleet, claim } = await openPool();
    for (let n = 0; n < 40; n += 1) await order(fleet, 'mallory', 'a');
    const refusals = { keys: ['mallory'], queues: [] };
    expect(await claim('w/1', ALL, refusals)).toBe('left');
    await order(fleet, 'anna', 'a');
    expect(keyOf(await claim('w/1', ALL, refusals))).toBe('anna');
    expect(await claim('w/1', ALL, refusals)).toBe('left');
    expect(keyOf(await claim('w/2', ALL))).toBe('mallory');
  });

  it.each([
    ['of one key', 'mallory', ['anna a', 'mallory b']],
    ['of all keys', '', ['anna b', 'mallory b']],
  ])('is given those with other affinity keys where it refuses one %s', async (_whose, key, given) => {
    const { fleet, claim } = await openPool();
    for (const owner of ['mallory', 'anna']) for (const checkpoint of ['a', 'b']) await order(fleet, owner, checkpoint);
    const refusals = { keys: [], queues: [{ key, affinity: affinity('a') }] };
    const claims = [await claim('w/1', ALL, refusals), await claim('w/1', ALL, refusals)];
    expect(claims.map((one) => `${keyOf(one)} ${checkpointOf(one)}`)).toEqual(given);
  });

  it('does not recall a job that it would refuse', async () => {
    const { fleet, claim, recall } = await openPool();
    await order(fleet, 'mallory', 'a');
    await ((await claim('w/1', ALL)) as Claim).submit(newId(), 'w/1', Date.now() + 4000);
    expect(await recall('w/2', ALL, { keys: ['mallory'], queues: [] })).toBe(false);
    expect(await recall('w/2', ALL)).toBe(true);
  });
});
