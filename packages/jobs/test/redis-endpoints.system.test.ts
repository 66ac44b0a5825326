import { Writable } from 'node:stream';
import { producerConnection } from '@comfy-fleet/redis';
import { createLogger } from '@comfy-fleet/telemetry';
import { freePort, redisSettings, until } from '@comfy-fleet/testing';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import type { JobStreamItem } from '../src/index.js';
import { anAnnouncement, openFleet, ownRedis, startNext, succeeded, untilAnswering, within } from './builders.js';
import { dispatch, taken } from './deliveries-builders.js';
import { openHousekeeper } from './housekeepers.js';
import {
  type AtEnd,
  cluster,
  clusterOverTls,
  oneServerOverTls,
  sentinels,
  sentinelsOverTls,
} from './redis-endpoints.js';

const ends: (() => Promise<void>)[] = [];
afterAll(async () => {
  await Promise.all(ends.map((end) => end()));
});

/** One endpoint for all tests, each of which has its own keys; started on first use. */
function shared<P>(start: (atEnd: AtEnd) => Promise<P>): () => Promise<P> {
  let place: Promise<P> | undefined;
  return () => (place ??= start((end) => void ends.push(end)));
}
const places = {
  oneServerOverTls: shared(oneServerOverTls),
  sentinels: shared((atEnd) => sentinels(atEnd, { replicas: 2 })),
  sentinelsOverTls: shared(sentinelsOverTls),
  cluster: shared(cluster),
  clusterOverTls: shared(clusterOverTls),
};

describe.each([
  ['one server over TLS with a client certificate, as an ACL user', places.oneServerOverTls],
  ['the primary of Sentinels', places.sentinels],
  ['the primary of Sentinels over TLS, with passwords', places.sentinelsOverTls],
  ['a Cluster', places.cluster],
  ['a Cluster over TLS with a client certificate, as an ACL user', places.clusterOverTls],
])('at %s', (_where, start) => {
  // Before the tests, because they wait for some things only a few seconds.
  beforeAll(async () => {
    await start();
  });

  it('a job goes all the way: queued, claimed, followed live, finished, delivered by webhook, swept, forgotten', async () => {
    const fleet = await openFleet(await start());
    const { ledger, keys } = fleet;
    const worker = fleet.worker('w1', { announceSeconds: 1 });
    await worker.presence.takeName(within());
    const asked: (string | undefined)[] = [];
    await worker.onAttention((job) => void asked.push(job));
    expect(await worker.presence.announce(anAnnouncement())).toBe(true);
    const told: string[] = [];
    dispatch(fleet, async ({ snapshot }) => {
      told.push(snapshot.record.id);
      return taken;
    });

    const { id } = (await fleet.submit({ callback: { url: 'https://receiver.example/' } })).record;
    const { claim, promptId } = await startNext(await worker.claims('default'));
    expect(claim.record.id).toBe(id);
    expect(await claim.isListenedTo()).toBe(false);
    const items: JobStreamItem[] = [];
    const streaming = (async () => {
      for await (const item of ledger.jobs.events(id, { signal: within() })) items.push(item);
    })();
    await until('somebody listens', () => claim.isListenedTo());
    await until('the snapshot came', () => items.length === 1);
    await claim.progress({ fraction: 0.5, step: 4, steps: 8, node: null });
    await claim.preview({ contentType: 'image/png', data: 'AA==' } as never);
    await claim.finish(succeeded(id), promptId);
    await streaming;
    expect(items.map((item) => (item.kind === 'event' ? item.event.type : item.kind))).toEqual([
      'snapshot',
      'progress',
      'preview',
      'status',
    ]);
    await until('the webhook was delivered', () => told.includes(id));

    const other = (await fleet.submit()).record.id;
    const next = await startNext(await worker.claims('default'));
    await ledger.jobs.cancel(other);
    await until('the worker was called', () => asked.includes(other));
    expect(await next.claim.check()).toBe('canceling');
    await next.claim.finish({ status: 'canceled' });

    const third = (await fleet.submit()).record.id;
    await fleet.redis.del(keys.workItem('default', third));
    await fleet.redis.zrem(keys.prioritized('default'), third);
    await fleet.redis.zincrby(keys.open('default'), -60_000, third);
    const keeper = openHousekeeper(fleet);
    await keeper.sweep();
    expect(await fleet.redis.zscore(keys.prioritized('default'), third)).not.toBeNull();
    await until('it may be forgotten', async () => (await keeper.forget(id)) === 'forgotten');
    expect(await ledger.jobs.get(id)).toBeUndefined();
    expect((await ledger.fleet.overview()).workers.map(({ name }) => name)).toEqual(['w1']);
  });

  it("a worker's name is taken by one process only, wherever the processes are connected", async () => {
    const fleet = await openFleet(await start());
    const [first, second] = [fleet.worker('w1', { announceSeconds: 30 }), fleet.worker('w1', { announceSeconds: 30 })];
    await first.presence.takeName(within());
    await first.onAttention(() => {});
    let taken = false;
    const taking = second.presence.takeName(within()).then(() => {
      taken = true;
    });
    await untilAnswering(fleet.ledger);
    await second.ping(within());
    expect(taken).toBe(false);
    await first.close();
    await taking;
  });
});

/** The log of a ledger that cannot reach its Redis, once it has logged something. */
async function saidOf(place: Parameters<typeof openFleet>[0] & { url: string }): Promise<string> {
  const lines: string[] = [];
  const stream = new Writable({
    write: (chunk, _encoding, done) => {
      lines.push(String(chunk));
      done();
    },
  });
  const log = createLogger({ service: 'test', level: 'info', format: 'json', stream });
  const redis = producerConnection(redisSettings({ prefix: '{x}', timeoutMs: 800, ...place }), log);
  onTestFinished(() => redis.disconnect());
  await expect(redis.ping()).rejects.toThrow();
  let tries = 0;
  redis.on('error', () => (tries += 1));
  await until('it has tried three times', () => tries >= 3);
  expect(lines).toHaveLength(1);
  expect(lines[0]).toContain('redis connection lost');
  expect(lines[0]).not.toContain('s:cret');
  return lines.join('');
}

describe('a failing connection logs once why', () => {
  it('to a server with another password', async () => {
    const place = await places.oneServerOverTls();
    expect(await saidOf({ ...place, url: place.url.replace('fleet:', 'fleet:not') })).toContain('WRONGPASS');
  });

  it('to a server whose certificate has an unknown authority', async () => {
    const { tls, ...place } = await places.oneServerOverTls();
    expect(await saidOf({ ...place, tls: { cert: tls?.cert ?? '', key: tls?.key ?? '' } })).toContain('self-signed');
  });

  it('to Sentinels that are down', async () => {
    const nodes = [{ host: '127.0.0.1', port: await freePort() }];
    const place = { url: 'redis://unused', sentinel: { nodes, name: 'x', password: undefined } };
    expect(await saidOf(place)).toContain('All sentinels are unreachable');
  });

  it('to a Cluster with another password', async () => {
    const place = await places.clusterOverTls();
    expect(await saidOf({ ...place, url: place.url.replace('fleet:', 'fleet:not') })).toContain('WRONGPASS');
  });

  it('to a Cluster whose nodes are down', async () => {
    const cluster = [{ host: '127.0.0.1', port: await freePort() }];
    expect(await saidOf({ url: 'redis://unused', cluster })).toContain('no node of the Redis Cluster serves the keys');
  });

  it('to a server that is not a Cluster', async () => {
    const { port } = await ownRedis();
    expect(await saidOf({ url: 'redis://unused', cluster: [{ host: '127.0.0.1', port }] })).toContain(
      'cluster support disabled',
    );
  });
});

it('finds a Cluster through the one configured node that is up, and the nodes that this knows', async () => {
  const { set, ...place } = await places.cluster();
  const nodes = [{ host: '127.0.0.1', port: await freePort() }, ...set.nodes.slice(2)];
  const fleet = await openFleet({ ...place, cluster: nodes });
  const { id } = (await fleet.submit()).record;
  expect((await fleet.get(id)).record.status).toBe('queued');
});
