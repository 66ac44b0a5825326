import { once } from 'node:events';
import { type AddressInfo, connect, createServer } from 'node:net';
import { FleetError, newId } from '@comfy-fleet/contracts';
import { claimNext, type RedisServer, uniquePrefix, until } from '@comfy-fleet/testing';
import { describe, expect, inject, it, onTestFinished } from 'vitest';
import type { JobStreamItem, Ledger } from '../src/index.js';
import {
  anOrder,
  collect,
  openFleet,
  openLedger,
  ownRedis,
  startNext,
  succeeded,
  untilAnswering,
  within,
} from './builders.js';

/** How soon the ledger gives up; on a busy machine perhaps also for a Redis that is up. */
const TIMEOUT_MS = 3000;

/** The answer of such a ledger when Redis is back. Every call may be repeated. */
const answered = <T>(call: () => Promise<T>) => until('it answers', () => call().catch(() => undefined));

const away = { code: 'queue_unavailable', status: 503, retryAfterSeconds: 1 };

function everyMethod(ledger: Ledger, id: string): [string, () => Promise<unknown>][] {
  return [
    ['create', () => ledger.orders.create(anOrder())],
    ['get', () => ledger.jobs.get(id)],
    ['cancel', () => ledger.jobs.cancel(id)],
    ['wait', () => ledger.jobs.wait(id, { timeoutMs: 600_000, signal: within(600_000) })],
    ['events', () => collect(ledger.jobs.events(id, { signal: within(600_000) }))],
    ['overview', () => ledger.fleet.overview()],
    ['ping', () => ledger.ping()],
  ];
}

/** Closes while Redis is still away, so that anything that waits for it would hang here. */
async function expectEveryMethodToFail(ledger: Ledger, id: string): Promise<void> {
  const tried = everyMethod(ledger, id).map(async ([name, call]) => {
    const error = await call().catch((thrown: unknown) => thrown);
    expect(error, name).toBeInstanceOf(FleetError);
    expect(error, name).toMatchObject(away);
    expect((error as FleetError).detail, name).not.toMatch(/redis|stream|ECONN|socket|command/i);
  });
  await Promise.all(tried);
}

/** Opens a ledger with a short timeout (TIMEOUT_MS), in a fleet with one job. */
async function openImpatient(server: RedisServer) {
  const { settings, submit } = await openFleet({ url: server.url });
  const { id } = (await submit()).record;
  return { ledger: await openLedger({ ...settings, timeoutMs: TIMEOUT_MS }), id };
}

/** A proxy in front of Redis. */
async function lateProxy(redisUrl: string) {
  const { hostname, port } = new URL(redisUrl);
  let held: (() => void)[] | undefined;
  let awaited = '';
  let sent = '';
  const server = createServer((client) => {
    const redis = connect(Number(port), hostname);
    for (const socket of [client, redis]) {
      socket.on('error', () => {});
      socket.on('close', () => {
        client.destroy();
        redis.destroy();
      });
    }
    redis.on('data', (data) => {
      if (held === undefined) client.write(data);
      else held.push(() => client.write(data));
    });
    client.on('data', (data) => {
      redis.write(data);
      if (held === undefined) return;
      sent += data.toString('latin1');
      if (sent.split(awaited).length <= 2) return;
      for (const release of held) release();
      held = undefined;
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => void server.close());
  return {
    url: `redis://127.0.0.1:${(server.address() as AddressInfo).port}`,
    /** Holds back Redis' answers until this command was sent twice. */
    holdUntilSecond: (command: string) => {
      [held, awaited, sent] = [[], command, ''];
    },
  };
}

describe('a producer whose Redis', () => {
  it('is killed fails with queue_unavailable in every method, and recovers by itself', async () => {
    const server = await ownRedis();
    const { ledger, id } = await openImpatient(server);
    await server.stop('SIGKILL');
    await expectEveryMethodToFail(ledger, id);
    await server.restart();
    await untilAnswering(ledger);
    expect((await answered(() => ledger.jobs.get(id))).record.status).toBe('queued');
    const order = anOrder();
    expect((await answered(() => ledger.orders.create(order))).only?.ahead).toBe(1);
    expect((await answered(() => ledger.jobs.cancel(id))).record.status).toBe('canceled');
    const waited = await answered(() => ledger.jobs.wait(id, { timeoutMs: 5000, signal: within() }));
    expect(waited.record.status).toBe('canceled');
  });

  it('hangs fails with queue_unavailable in every method, and recovers by itself', async () => {
    const server = await ownRedis();
    const { ledger, id } = await openImpatient(server);
    process.kill(server.pid, 'SIGSTOP');
    try {
      await expectEveryMethodToFail(ledger, id);
    } finally {
      process.kill(server.pid, 'SIGCONT');
    }
    await untilAnswering(ledger);
    // Commands to a hanging Redis are executed when it continues, although their senders got errors: the cancel was.
    expect((await answered(() => ledger.jobs.get(id))).record.status).toBe('canceled');
    const order = anOrder();
    const [later = ''] = (await answered(() => ledger.orders.create(order))).ids;
    const waited = await answered(() => ledger.jobs.wait(later, { timeoutMs: 50, signal: within() }));
    expect(waited.record.status).toBe('queued');
  });
});

it('creates an order once when the answer of Redis comes too late and the request is repeated', async () => {
  const proxy = await lateProxy(inject('redisUrl'));
  const ledger = await openLedger({ url: proxy.url, prefix: uniquePrefix(), timeoutMs: TIMEOUT_MS });
  // After this, Redis knows the script.
  await answered(() => ledger.orders.create(anOrder()));
  proxy.holdUntilSecond('evalsha');
  const { ids, only, replayed } = await ledger.orders.create(anOrder());
  expect([only?.record.id, only?.record.status, only?.ahead, replayed]).toEqual([ids[0], 'queued', 1, false]);
  expect((await ledger.jobs.list('anonymous', { filter: {}, cursor: undefined, limit: 10 })).jobs).toHaveLength(2);
});

it('fails a wait at its time limit when Redis is away by then', async () => {
  const server = await ownRedis();
  const { ledger, submit, redis, keys } = await openFleet({ url: server.url });
  const { id } = (await submit()).record;
  // Long enough for Redis to go away first.
  const waiting = ledger.jobs.wait(id, { timeoutMs: 10_000, signal: within() }).catch((error: unknown) => error);
  await until('it listens', async () => (await redis.pubsub('NUMSUB', keys.jobChannel(id)))[1] === 1);
  await server.stop('SIGKILL');
  expect(await waiting).toMatchObject(away);
});

it('keeps a wait and an event stream through a restart of Redis, and yields what happened meanwhile', async () => {
  const server = await ownRedis();
  const fleet = await openFleet({ url: server.url });
  const { id } = (await fleet.submit()).record;
  const { claim, promptId } = await startNext(await fleet.claims());
  const items: JobStreamItem[] = [];
  const streaming = (async () => {
    for await (const item of fleet.ledger.jobs.events(id, { signal: within() })) items.push(item);
  })();
  const waiting = fleet.ledger.jobs.wait(id, { timeoutMs: 60_000, signal: within() });
  const channel = fleet.keys.jobChannel(id);
  await until('the stream began', () => items.length === 1);
  await until('one subscription serves both', async () => (await fleet.redis.pubsub('NUMSUB', channel))[1] === 1);
  await server.stop('SIGKILL');
  // Waits in the worker's connection until Redis is back, and probably runs before the subscriber is back.
  const progress = claim.progress({ fraction: 0.5, step: 4, steps: 8, node: null });
  const finished = claim.finish(succeeded(id), promptId);
  await server.restart();
  await Promise.all([progress, finished, streaming]);
  expect((await waiting)?.record.status).toBe('succeeded');
  expect(items.map((item) => (item.kind === 'event' ? item.event.type : item.kind))).toEqual([
    'snapshot',
    'progress',
    'status',
  ]);
});

it('fails a creation in time if its queue was never used before, and leaves nothing hanging', async () => {
  const server = await ownRedis();
  const { ledger } = await openImpatient(server);
  await server.stop('SIGKILL');
  const order = anOrder({ pool: 'never used before' });
  await expect(ledger.orders.create(order)).rejects.toMatchObject(away);
  await server.restart();
  await untilAnswering(ledger);
  expect((await answered(() => ledger.orders.create(order))).only?.ahead).toBe(0);
});

describe('a worker whose Redis', () => {
  it('is killed and restarted keeps its claims: transitions wait, then succeed, and new jobs arrive', async () => {
    const server = await ownRedis();
    const fleet = await openFleet({ url: server.url });
    const source = await fleet.claims();
    const [first, second] = [(await fleet.submit()).record.id, (await fleet.submit()).record.id];
    const { claim, promptId } = await startNext(source);
    const kept = await startNext(source);
    const looking = source.untilWork().then(() => claimNext(source));
    await server.stop('SIGKILL');
    const transitions = Promise.all([claim.collect(), claim.finish(succeeded(first), promptId)]);
    await server.restart();
    expect(await transitions).toEqual(['ok', 'succeeded']);
    await looking;
    expect(await kept.claim.check()).toBe('ok');
    await untilAnswering(fleet.ledger);
    const third = (await fleet.submit()).record.id;
    const next = await until('the next job', () => claimNext(source));
    expect(next.record.id).toBe(third);
    expect(await kept.claim.finish(succeeded(second), kept.promptId)).toBe('succeeded');
    await next.finish(succeeded(third));
    await source.close();
    const records = await Promise.all([first, second, third].map(async (id) => (await fleet.get(id)).record));
    expect(records.map(({ status, claim: count, attempts }) => [status, count, attempts])).toEqual([
      ['succeeded', 1, 1],
      ['succeeded', 1, 1],
      ['succeeded', 1, 0],
    ]);
    expect(await fleet.redis.hget(fleet.keys.job(second), 'deaths')).toBeNull();
  });

  it('hangs for a while continues afterwards as before', async () => {
    const server = await ownRedis();
    const fleet = await openFleet({ url: server.url });
    const impatient = await openLedger({ ...fleet.settings, timeoutMs: TIMEOUT_MS });
    const { id } = (await fleet.submit()).record;
    const { claim, promptId } = await startNext(await fleet.claims());
    process.kill(server.pid, 'SIGSTOP');
    const finishing = claim.finish(succeeded(id), promptId);
    let early = false;
    void finishing.then(() => (early = true));
    await expect(impatient.ping()).rejects.toMatchObject(away);
    expect(early).toBe(false);
    process.kill(server.pid, 'SIGCONT');
    expect(await finishing).toBe('succeeded');
    await untilAnswering(fleet.ledger);
    expect((await fleet.get(id)).record).toMatchObject({ status: 'succeeded', attempts: 1 });
  });

  it('restarts notifies its attention listener that messages may have been missed, and then delivers again', async () => {
    const server = await ownRedis();
    const fleet = await openFleet({ url: server.url });
    const worker = fleet.worker('w1');
    const told: (string | undefined)[] = [];
    await worker.onAttention((job) => void told.push(job));
    const { id } = (await fleet.submit()).record;
    const { claim } = await startNext(await worker.claims('default'));
    const before = told.length;
    await server.stop('SIGKILL');
    await server.restart();
    await until('it was notified to look at everything', () => told.slice(before).includes(undefined));
    await untilAnswering(fleet.ledger);
    await fleet.ledger.jobs.cancel(id);
    await until('it was notified of the job', () => told.includes(id));
    expect(await claim.check()).toBe('canceling');
  });

  it('is away answers a ping when it is back, or rejects it with the reason of the abort', async () => {
    const server = await ownRedis();
    const fleet = await openFleet({ url: server.url });
    const worker = fleet.worker();
    await worker.ping(within());
    await server.stop('SIGKILL');
    const controller = new AbortController();
    const impatient = worker.ping(controller.signal).catch((error: unknown) => error);
    const patient = worker.ping(within());
    const reason = new Error('no longer');
    controller.abort(reason);
    expect(await impatient).toBe(reason);
    await server.restart();
    await patient;
  });
});

it('keeps every accepted job and its order when Redis is killed', async () => {
  const server = await ownRedis();
  const fleet = await openFleet({ url: server.url });
  const ids: string[] = [];
  for (let n = 0; n < 20; n++) ids.push((await fleet.submit({ id: newId() })).record.id);
  await server.stop('SIGKILL');
  await server.restart();
  await untilAnswering(fleet.ledger);
  const source = await fleet.claims();
  const order: string[] = [];
  while (order.length < 20) {
    const claim = await until('the next job', () => claimNext(source), { everyMs: 1 });
    order.push(claim.record.id);
    await claim.finish(succeeded(claim.record.id));
  }
  expect(order).toEqual(ids);
});
