import { createHash } from 'node:crypto';
import { newId } from '@comfy-fleet/contracts';
import { GRAPH } from '@comfy-fleet/workflows';
import { expect, it } from 'vitest';
import type { NewJob } from '../src/index.js';
import { aJob, type Fleet, JOB_TTL_SECONDS, nextClaim, openFleet, POOL, succeeded } from './builders.js';
import { attempt, deliveryOf } from './deliveries-builders.js';
import { endedLongAgo, openHousekeeper } from './housekeepers.js';

const KIB = 1024;

/** A job with a caller's own graph that has `chars` characters. */
function largeJob(chars = 10 * KIB): NewJob {
  const text = `{"graph":"${newId()}${'g'.repeat(chars)}"}`;
  const version = createHash('sha256').update(text).digest('hex');
  return { ...aJob({ request: { workflow: GRAPH } }), source: { version, text } };
}

async function order(fleet: Fleet, caller: string, job = largeJob()): Promise<string> {
  await fleet.ledger.orders.create({ jobs: [job], caller });
  return job.id;
}

async function heldBy({ redis, keys }: Fleet, key: string): Promise<number> {
  return Number(await redis.hget(keys.jobBytes(key), 'total'));
}

/** Ids of ended jobs of the key, oldest first. */
async function endedJobs(fleet: Fleet, key: string, count: number): Promise<string[]> {
  const source = await fleet.claims();
  const ids: string[] = [];
  for (let n = 0; n < count; n++) {
    ids.push(await order(fleet, key));
    const claim = await nextClaim(source);
    await claim.finish(succeeded(claim.record.id));
  }
  return ids;
}

it('refuses jobs beyond the bytes of a key, in Redis or in files, while another key is served', async () => {
  const fleet = await openFleet({ keyJobBytes: 300 * KIB });
  const sizes = [10, 100, 100].map((size) => size * KIB);
  for (const size of sizes) await order(fleet, 'anna', largeJob(size));
  const refused = largeJob(100 * KIB);
  await expect(order(fleet, 'anna', refused)).rejects.toMatchObject({
    code: 'queue_full',
    status: 429,
    retryAfterSeconds: 5,
    detail: expect.stringContaining(`may hold ${300 * KIB} bytes`),
  });
  expect(await fleet.redis.exists(fleet.keys.job(refused.id), fleet.keys.texts(refused.id))).toBe(0);
  await order(fleet, 'ben', largeJob(100 * KIB));
});

it('counts a graph for each of its jobs, and accepts a job again after one was deleted', async () => {
  const fleet = await openFleet({ keyJobBytes: 30 * KIB });
  const { source } = largeJob();
  const again = () => ({ ...largeJob(), source: source as NonNullable<NewJob['source']> });
  const first = await order(fleet, 'anna', again());
  await order(fleet, 'anna', again());
  await expect(order(fleet, 'anna', again())).rejects.toMatchObject({ code: 'queue_full' });
  await fleet.ledger.jobs.cancel(first);
  await fleet.ledger.jobs.forget(first);
  await order(fleet, 'anna', again());
});

it('counts the outputs of a job until the job is forgotten', async () => {
  const fleet = await openFleet();
  const id = await order(fleet, 'anna');
  const before = await heldBy(fleet, 'anna');
  expect(before).toBeGreaterThan(10 * KIB);
  const claim = await nextClaim(await fleet.claims());
  await claim.finish(succeeded(id));
  expect(await heldBy(fleet, 'anna')).toBeGreaterThan(before + 100);
  await fleet.ledger.jobs.forget(id);
  expect(await fleet.redis.hgetall(fleet.keys.jobBytes('anna'))).toEqual({ total: '0' });
});

/** How many bytes Redis uses for the keys of the fleet, except for BullMQ's events, which it caps. */
async function storedBytes({ redis, keys }: Fleet): Promise<number> {
  const names = await redis.keys(`${keys.prefix.replace(/[{}]/g, '?')}:*`);
  const sizes = names
    .filter((name) => !name.endsWith(':events'))
    .map((name) => redis.call('MEMORY', 'USAGE', name, 'SAMPLES', 0));
  return (await Promise.all(sizes)).reduce<number>((sum, bytes) => sum + Number(bytes), 0);
}

it('counts at least what Redis stores: while jobs wait, after their end, and with attempts to deliver webhooks', async () => {
  const fleet = await openFleet();
  const { life, queue } = deliveryOf(fleet);
  const jobs = Array.from({ length: 200 }, () => aJob({ callback: { url: 'https://receiver.example/' } }));
  const expectCounted = async () =>
    expect(await heldBy(fleet, 'anna')).toBeGreaterThan(0.95 * (await storedBytes(fleet)));
  await fleet.ledger.orders.create({ jobs, caller: 'anna' });
  await expectCounted();
  for (const { id } of jobs) await fleet.ledger.jobs.cancel(id);
  // The work items of ended jobs have a limit of their own.
  await fleet.redis.del(fleet.keys.failed(POOL), ...jobs.map(({ id }) => fleet.keys.workItem(POOL, id)));
  await expectCounted();
  await queue.add(jobs.map(({ id }) => ({ job: id, key: 'anna', host: 'receiver.example', run: newId() })));
  await expectCounted();
  for (let n = 0; n < 60; n++) {
    const answer = 'x'.repeat(n < 10 ? 2048 : 1024);
    const logged = () => ({ ...attempt(503, answer), run: newId(), tries: 1, isLast: false });
    await Promise.all(jobs.map(({ id }) => life.recordAttempt(id, logged(), 60_000)));
    if (n === 0 || n === 59) await expectCounted();
  }
  expect(await heldBy(fleet, 'anna')).toBeLessThan(1.2 * (await storedBytes(fleet)));
});

it('does not count a job whose record has expired', async () => {
  const fleet = await openFleet();
  const time = (Date.now() - JOB_TTL_SECONDS * 1000 - 60_000).toString(16).padStart(12, '0');
  const id = `${time.slice(0, 8)}-${time.slice(8)}${newId().slice(13)}`;
  await order(fleet, 'anna', { ...largeJob(), id });
  await fleet.redis.del(fleet.keys.job(id));
  await openHousekeeper(fleet).pruneIndexes();
  expect(await heldBy(fleet, 'anna')).toBe(0);
});

it('forgets the oldest ended jobs of a key that holds too many bytes, but neither recent nor waiting ones', async () => {
  const fleet = await openFleet();
  const keeper = openHousekeeper(fleet);
  const old = await endedJobs(fleet, 'anna', 5);
  const recent = await endedJobs(fleet, 'anna', 2);
  await endedJobs(fleet, 'ben', 1);
  const waiting = await order(fleet, 'anna');
  await endedLongAgo(fleet, ...old);
  const surplus = async (bytes: number) => {
    const gone: string[] = [];
    for await (const ids of keeper.forgetSurplus({ jobs: 1000, bytes })) gone.push(...ids);
    return gone;
  };
  const all = await heldBy(fleet, 'anna');
  expect(await surplus(all * 2)).toEqual([]);
  // Two of eight jobs go, down to three quarters.
  expect(await surplus(all)).toEqual(old.slice(0, 2));
  expect(await surplus(KIB)).toEqual(old.slice(2));
  const { jobs } = await fleet.ledger.jobs.list('anna', { filter: {}, cursor: undefined, limit: 100 });
  expect(jobs.map(({ record }) => record.id)).toEqual([...recent, waiting].reverse());
});

it('remembers as many Idempotency-Keys as fit into a quarter of the bytes of a key, including those of deleted jobs', async () => {
  const fleet = await openFleet({ keyJobBytes: 4 * KIB });
  const { orders, jobs } = fleet.ledger;
  const digests = [...'abcdef'].map((letter) => letter.repeat(64));
  const sent = (caller: string, digest: string) => ({ caller, idempotency: { digest, fingerprint: 'f' } });
  const [first = '', second = '', ...others] = digests;
  await orders.create({ ...sent('ben', first), jobs: [aJob()] });
  for (const digest of digests) {
    const job = aJob();
    await orders.create({ ...sent('anna', digest), jobs: [job] });
    await jobs.cancel(job.id);
    await jobs.forget(job.id);
  }
  const replay = (digest: string) => orders.replay('anna', { digest, fingerprint: 'f' });
  for (const digest of [first, second]) expect(await replay(digest)).toBeUndefined();
  for (const digest of others) await expect(replay(digest)).rejects.toMatchObject({ code: 'job_not_found' });
  expect(await orders.replay('ben', { digest: first, fingerprint: 'f' })).toMatchObject({ replayed: true });
});

it('remembers Idempotency-Keys for as long as the setting says, also beside newer ones', async () => {
  const fleet = await openFleet({ idempotencyTtlSeconds: 100 });
  const { redis, keys, ledger } = fleet;
  const newer = keys.idempotency('anna', 'newer');
  const made = (digest: string) => fleet.submit({ key: 'anna', idempotency: { digest, fingerprint: 'f' } });
  const isRemembered = async (digest: string) =>
    (await ledger.orders.replay('anna', { digest, fingerprint: 'f' })) !== undefined;
  /** Makes the entries of the newer hash older. */
  const age = async (seconds: number) => {
    for (const [field, text] of Object.entries(await redis.hgetall(newer))) {
      const [at = '', ...more] = text.split(' ');
      if (field !== ':bytes') await redis.hset(newer, field, [Number(at) - 1000 * seconds, ...more].join(' '));
    }
  };
  await made('a');
  await age(60);
  await made('b');
  await age(60);
  await made('c');
  expect(await Promise.all(['a', 'b', 'c'].map(isRemembered))).toEqual([false, true, true]);
  await age(120);
  await made('d');
  expect(await redis.hkeys(keys.idempotency('anna', 'older'))).not.toContain('b');
});
