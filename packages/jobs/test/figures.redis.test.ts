import { MODEL_URL_FOLDER, type ModelCopy, type ModelFaultCode, newId } from '@comfy-fleet/contracts';
import { claimNext, startRedisServer, until } from '@comfy-fleet/testing';
import { describe, expect, it, onTestFinished } from 'vitest';
import type { FleetFigures, JobRecord } from '../src/index.js';
import { webhookId } from '../src/webhooks/delivery-queue.js';
import {
  aJob,
  anAnnouncement,
  type Fleet,
  failed,
  nextClaim,
  openFleet,
  POOL,
  startNext,
  succeeded,
} from './builders.js';
import { attempt, deliveryOf, endedJob } from './deliveries-builders.js';
import { openHousekeeper } from './housekeepers.js';

async function open() {
  const fleet = await openFleet();
  const keeper = openHousekeeper(fleet);
  const pool = async (name = POOL) => {
    const found = (await keeper.figures()).pools.find((one) => one.pool === name);
    if (found === undefined) throw new Error(`no pool ${name}`);
    return found;
  };
  const lane = async (lod = 'sketch') => {
    const found = (await pool()).lods.find((one) => one.lod === lod);
    if (found === undefined) throw new Error(`no figures of ${lod}`);
    return found;
  };
  return { fleet, keeper, pool, lane };
}

/** Moves the creation of the job into the past. */
const makeOlder = ({ redis, keys }: Fleet, { record }: { readonly record: JobRecord }, ms: number) =>
  redis.hset(keys.job(record.id), 'created_at', record.createdAt - ms);

/** `kind lod outcome` → how many. */
const totalsOf = ({ totals }: FleetFigures) =>
  Object.fromEntries(totals.map(({ kind, lod, outcome, count }) => [`${kind} ${lod} ${outcome}`, count]));

describe('the totals', () => {
  it('count each job when it is created and when it ends, by kind, lod and outcome', async () => {
    const { fleet, keeper } = await open();
    const source = await fleet.claims();
    await fleet.ledger.orders.create({ jobs: [aJob(), aJob()], caller: 'anonymous' });
    const claim = await nextClaim(source);
    await claim.finish(succeeded(claim.record.id));
    const other = await nextClaim(source);
    await other.finish(failed());
    await fleet.submit({ kind: 'img2img', request: { lod: 'final' } });
    const last = await nextClaim(source);
    await last.release(0);
    await fleet.ledger.jobs.cancel(last.record.id);
    expect(totalsOf(await keeper.figures())).toEqual({
      'text2img sketch created': 2,
      'text2img sketch succeeded': 1,
      'text2img sketch failed': 1,
      'img2img final created': 1,
      'img2img final canceled': 1,
    });
  });

  it('count a job once if its creation and end are repeated', async () => {
    const { fleet, keeper } = await open();
    const order = { jobs: [aJob()], caller: 'anonymous' };
    await fleet.ledger.orders.create(order);
    await fleet.ledger.orders.create(order);
    const { claim } = await startNext(await fleet.claims());
    await claim.finish(succeeded(claim.record.id));
    expect(await claim.finish(succeeded(claim.record.id))).toBe('succeeded');
    expect(totalsOf(await keeper.figures())).toEqual({ 'text2img sketch created': 1, 'text2img sketch succeeded': 1 });
  });

  it('do not count a replay under an Idempotency-Key', async () => {
    const { fleet, keeper } = await open();
    const idempotency = { digest: 'd', fingerprint: 'f' };
    await fleet.submit({ idempotency });
    await fleet.submit({ idempotency });
    expect(totalsOf(await keeper.figures())).toEqual({ 'text2img sketch created': 1 });
  });

  it('count an expiry', async () => {
    const { fleet, keeper } = await open();
    await fleet.submit({ startWithinMs: 0 });
    await keeper.sweep();
    expect(totalsOf(await keeper.figures())).toEqual({ 'text2img sketch created': 1, 'text2img sketch expired': 1 });
  });
});

describe('the figures of a level of detail', () => {
  it('are zero for each lod of a pool that a worker serves but no job used', async () => {
    const { fleet, pool } = await open();
    await fleet.worker('w1').presence.takeName(AbortSignal.timeout(60_000));
    const worker = fleet.worker('w2');
    await worker.presence.takeName(AbortSignal.timeout(60_000));
    await worker.presence.announce(anAnnouncement({ name: 'w2' }));
    const { lods: lanes, ...rest } = await pool();
    expect(rest).toMatchObject({ pool: POOL, backlogMs: 0, instances: 1, workers: 1, paused: false });
    expect(lanes).toEqual(
      ['sketch', 'mid', 'final', 'direct_final'].map((lod) => ({
        lod,
        waiting: 0,
        claimed: 0,
        running: 0,
        parked: 0,
        oldestMs: 0,
      })),
    );
  });

  it('count a job as waiting, claimed, running, and then not any more', async () => {
    const { fleet, lane } = await open();
    const counts = async () => {
      const { waiting, claimed, running } = await lane();
      return [waiting, claimed, running];
    };
    await fleet.submit();
    await fleet.submit();
    expect(await counts()).toEqual([2, 0, 0]);
    const claim = await nextClaim(await fleet.claims());
    expect(await counts()).toEqual([1, 1, 0]);
    const promptId = newId();
    await claim.submit(promptId, 'w1/1');
    expect(await counts()).toEqual([1, 1, 0]);
    await claim.start(promptId);
    expect(await counts()).toEqual([1, 0, 1]);
    await claim.lose(promptId, 'lost');
    expect(await counts()).toEqual([1, 1, 0]);
    await claim.release(0);
    // It waits again as soon as a worker asks for work.
    expect(await counts()).toEqual([1, 0, 0]);
    const again = await startNext(await fleet.claims());
    await again.claim.finish(succeeded(again.claim.record.id));
    expect(await counts()).toEqual([1, 0, 0]);
  });

  it('have the age of the oldest job of the lod that has not begun', async () => {
    const { fleet, lane } = await open();
    const sketch = await fleet.submit();
    const final = await fleet.submit({ request: { lod: 'final' } });
    await fleet.submit();
    await makeOlder(fleet, sketch, 60_000);
    await makeOlder(fleet, final, 600_000);
    const ages = [(await lane('sketch')).oldestMs, (await lane('final')).oldestMs, (await lane('mid')).oldestMs];
    expect(ages.map((ms) => Math.floor(ms / 60_000))).toEqual([1, 10, 0]);
    await fleet.ledger.jobs.cancel(sketch.record.id);
    expect(Math.floor((await lane('sketch')).oldestMs / 60_000)).toBe(0);
  });

  it('count a parked job separately, neither in the age nor in the backlog, until it may continue', async () => {
    const { fleet, lane, pool } = await open();
    const source = await fleet.claims();
    await fleet.submit({ key: 'k', mostTaken: 1 });
    const held = await nextClaim(source);
    const parked = await fleet.submit({ key: 'k', mostTaken: 1 });
    expect(await claimNext(source)).toBeUndefined();
    expect(await lane()).toMatchObject({ waiting: 0, claimed: 1, parked: 1 });
    expect((await pool()).backlogMs).toBe(10_000);
    await makeOlder(fleet, parked, 600_000);
    expect((await lane()).oldestMs).toBeLessThan(600_000);
    await makeOlder(fleet, held, 600_000);
    expect((await lane()).oldestMs).toBeGreaterThan(600_000);
    await held.finish({ status: 'canceled' });
    const next = await nextClaim(source);
    expect(next.record.id).toBe(parked.record.id);
    expect(await lane()).toMatchObject({ waiting: 0, claimed: 1, parked: 0 });
    expect((await pool()).backlogMs).toBe(10_000);
  });

  it('count the parked jobs of each level of detail, and for the others the usual time of that level', async () => {
    const { fleet, lane, pool } = await open();
    const source = await fleet.claims();
    await fleet.submit({ key: 'k', mostTaken: 1 });
    await nextClaim(source);
    for (const lod of ['sketch', 'sketch', 'final'] as const)
      await fleet.submit({ key: 'k', mostTaken: 1, request: { lod } });
    await fleet.submit({ key: 'other', request: { steps: 1 } });
    expect(await lane()).toMatchObject({ waiting: 1, claimed: 1, parked: 2 });
    expect(await lane('final')).toMatchObject({ waiting: 0, parked: 1 });
    expect(await pool()).toMatchObject({ waiting: 4, backlogMs: 20_000 });
  });

  it('count all parked jobs of a key that has many kinds of them', async () => {
    const { fleet, lane } = await open();
    const source = await fleet.claims();
    await fleet.submit({ key: 'k', mostTaken: 1 });
    await nextClaim(source);
    for (let n = 0; n < 70; n++) await fleet.submit({ key: 'k', mostTaken: 1, request: { sampler: `s${n}` } });
    expect(await lane()).toMatchObject({ waiting: 0, parked: 70 });
  });

  it('no longer count a parked job that its caller cancels, and let its key have others wait', async () => {
    const { fleet, lane } = await open();
    const source = await fleet.claims();
    await fleet.submit({ key: 'k', mostTaken: 1, mostWaiting: 1 });
    const { claim } = await startNext(source);
    const parked = await fleet.submit({ key: 'k', mostTaken: 1, mostWaiting: 1 });
    expect(await claimNext(source)).toBeUndefined();
    await fleet.ledger.jobs.cancel(parked.record.id);
    expect(await lane()).toMatchObject({ waiting: 0, parked: 0, running: 1 });
    await expect(fleet.submit({ key: 'k', mostTaken: 1, mostWaiting: 1 })).resolves.toBeDefined();
    await claim.finish(succeeded(claim.record.id));
  });

  it('need no Redis key without jobs', async () => {
    const { fleet } = await open();
    await fleet.submit();
    const { claim } = await startNext(await fleet.claims());
    await claim.finish(succeeded(claim.record.id));
    expect(await fleet.redis.keys(`${fleet.keys.prefix}:backlog*`)).toEqual([]);
    expect(await fleet.redis.hvals(fleet.keys.callers)).toEqual(['0']);
  });
});

describe('the backlog', () => {
  it('is the sum of the learned durations of jobs that have not begun, with 10 s for unknown ones', async () => {
    const { fleet, pool } = await open();
    const source = await fleet.claims();
    await fleet.submit();
    const { claim } = await startNext(source);
    await claim.finish({ status: 'succeeded', outputs: [], executedMs: 2500 });
    await fleet.submit();
    await fleet.submit({ request: { steps: 9 } });
    await fleet.submit({ request: { lod: 'final' } });
    expect((await pool()).backlogMs).toBe(2500 + 2500 + 10_000);
  });
});

describe('what is paused or drained', () => {
  it('is included, and reduces the number of instances', async () => {
    const { fleet, keeper, pool } = await open();
    const worker = fleet.worker('w1');
    await worker.presence.takeName(AbortSignal.timeout(60_000));
    await worker.presence.announce(anAnnouncement({ name: 'w1' }));
    await fleet.ledger.fleet.halt({ kind: 'pool', name: POOL }, 'k');
    await fleet.ledger.fleet.halt({ kind: 'instance', name: 'w1/0' }, 'k');
    expect(await pool()).toMatchObject({ paused: true, instances: 0, workers: 1 });
    expect((await keeper.figures()).halts.fleet).toBeUndefined();
  });
});

describe('the webhooks', () => {
  it('are counted in the outbox, with the age of the oldest', async () => {
    const { fleet, keeper } = await open();
    const { redis } = await keeper.figures();
    expect((await keeper.figures()).webhooks).toEqual({ outbox: 0, queued: 0, oldestMs: 0 });
    const hourAgo = Date.now() - 3_600_000;
    await fleet.redis.xadd(fleet.keys.outbox, `${hourAgo}-0`, 'job', newId());
    await fleet.redis.xadd(fleet.keys.outbox, '*', 'job', newId());
    const { webhooks } = await keeper.figures();
    expect(webhooks).toMatchObject({ outbox: 2, queued: 0 });
    expect(Math.floor(webhooks.oldestMs / 60_000)).toBe(60);
    expect(redis.evictionPolicy).toBe('noeviction');
  });

  it('are counted in the queue, with the age of the oldest that was never tried', async () => {
    const { fleet, keeper } = await open();
    const [tried, untried] = [await endedJob(fleet), await endedJob(fleet)];
    await fleet.redis.del(fleet.keys.outbox);
    const { queue, life } = deliveryOf(fleet);
    await queue.add([tried, untried].map((job) => ({ job, key: 'anonymous', host: 'receiver.example', run: '1-0' })));
    await life.recordAttempt(tried, { ...attempt(503), run: '1-0', tries: 1, isLast: false }, 1000);
    const hour = 3_600_000;
    const made = (job: string, ago: number) =>
      fleet.redis.hset(fleet.keys.webhookPart(webhookId(job)), 'timestamp', Date.now() - ago);
    await Promise.all([made(tried, 2 * hour), made(untried, hour)]);
    const { webhooks } = await keeper.figures();
    expect(webhooks).toMatchObject({ outbox: 0, queued: 2 });
    expect(Math.floor(webhooks.oldestMs / 60_000)).toBe(60);
  });
});

describe('the rest', () => {
  it('contain what Redis reports about itself', async () => {
    const server = await startRedisServer({ args: ['--maxmemory', '512mb'] });
    onTestFinished(() => server.close());
    const { redis } = await openHousekeeper(await openFleet({ url: server.url })).figures();
    expect(redis).toMatchObject({ evictionPolicy: 'noeviction', aof: true, memoryMaxBytes: 512 * 1024 * 1024 });
    expect(redis.memoryBytes).toBeGreaterThan(100_000);
  });

  it('contain how many replicas follow Redis', async () => {
    const begin = async (...args: string[]) => {
      const server = await startRedisServer({ args: [...args, '--repl-diskless-sync-delay', '0'] });
      onTestFinished(() => server.close());
      return server;
    };
    const primary = await begin();
    const keeper = openHousekeeper(await openFleet({ url: primary.url }));
    const follow = (count: number) =>
      until(`${count} replicas follow`, async () => (await keeper.figures()).redis.replicas === count);
    await follow(0);
    const [replica] = await Promise.all([1, 2].map(() => begin('--replicaof', '127.0.0.1', `${primary.port}`)));
    await follow(2);
    await replica?.stop('SIGKILL');
    await follow(1);
  });

  it('contain the inventory of pictures that another housekeeper recorded', async () => {
    const { fleet, keeper } = await open();
    expect((await keeper.figures()).storage.kinds).toEqual({});
    const stock = { frame: { files: 3, bytes: 4000 }, input: { files: 0, bytes: 0 } };
    await openHousekeeper(fleet).recordStorage({ bytes: 1, most: 2, keys: new Map(), kinds: stock });
    expect((await keeper.figures()).storage.kinds).toEqual(stock);
  });
});

it('gives the API and the dispatcher the ports that workers announce', async () => {
  const { fleet, keeper } = await open();
  for (const [name, port] of [
    ['w1', 8188],
    ['w2', 8189],
  ] as const) {
    const worker = fleet.worker(name);
    await worker.presence.takeName(AbortSignal.timeout(60_000));
    await worker.presence.announce(anAnnouncement({ name, ports: [port] }));
  }
  expect(await keeper.ports()).toEqual([8188, 8189]);
  expect(await fleet.ledger.fleet.ports()).toEqual([8188, 8189]);
});

it('the copies of models that could not be fetched are counted by fault, without those of URLs of callers', async () => {
  const { fleet, keeper } = await open();
  const failed = (code: ModelFaultCode): ModelCopy => ({
    state: 'failed',
    bytes: 0,
    fetched: 0,
    used_at: 0,
    is_ours: true,
    error: { code, detail: '', at: 0 },
  });
  const { models } = fleet.ledger;
  const folder = { worker: 'w1', peer_url: null, max_bytes: 1, used_bytes: 0, bytes_per_second: 0 };
  const copies = new Map([
    ['loras/a.safetensors', failed('wrong_hash')],
    ['loras/b.safetensors', failed('no_space')],
    ['loras/c.safetensors', { ...failed('no_space'), state: 'ready', error: undefined } as unknown as ModelCopy],
    [`loras/${MODEL_URL_FOLDER}d.safetensors`, failed('not_reachable')],
  ]);
  await models.announce({ ...folder, id: 'one' }, copies);
  await models.announce({ ...folder, id: 'two' }, new Map([['vae/e.safetensors', failed('no_space')]]));
  expect([...(await keeper.figures()).modelFaults].sort()).toEqual([
    ['no_space', 2],
    ['wrong_hash', 1],
  ]);
});
