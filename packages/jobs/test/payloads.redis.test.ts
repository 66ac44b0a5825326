import { createHash } from 'node:crypto';
import { FleetError, newId } from '@comfy-fleet/contracts';
import { GRAPH } from '@comfy-fleet/workflows';
import { expect, it } from 'vitest';
import type { NewJob } from '../src/index.js';
import { aJob, type Fleet, JOB_TTL_SECONDS, nextClaim, openFleet, openLedger, succeeded } from './builders.js';
import { openHousekeeper } from './housekeepers.js';

const KIB = 1024;

/** A job with its caller's own graph and an origin, each with so many characters. */
function graphJob(chars = 100 * KIB): NewJob {
  const text = `{"graph":"${newId()}${'g'.repeat(chars)}"}`;
  const version = createHash('sha256').update(text).digest('hex');
  const origin = `{"extraData":"${'o'.repeat(chars)}"}`;
  return { ...aJob({ request: { workflow: GRAPH } }), source: { version, text }, origin };
}

async function order(fleet: Fleet, job: NewJob, caller = 'anna'): Promise<string> {
  await fleet.ledger.orders.create({ jobs: [job], caller });
  return job.id;
}

it('stores a large graph and its extra data as files that API and workers can read, also after a restart', async () => {
  const fleet = await openFleet();
  const job = graphJob();
  await order(fleet, job);
  const restarted = await openLedger({ url: fleet.url, prefix: fleet.keys.prefix, files: fleet.files });
  for (const ledger of [fleet.ledger, restarted]) {
    expect(await ledger.jobs.source(job)).toBe(job.source?.text);
    expect(await ledger.jobs.origin(job.id)).toBe(job.origin);
  }
  expect(await fleet.worker().source(job)).toBe(job.source?.text);
  expect(await (await nextClaim(await fleet.claims())).origin()).toBe(job.origin);
});

it('keeps only references to large texts in Redis', async () => {
  const fleet = await openFleet();
  const job = graphJob();
  await order(fleet, job);
  for (const text of await fleet.redis.hvals(fleet.keys.texts(job.id))) expect(text.length).toBeLessThan(200);
  expect([...fleet.files.files.keys()].sort()).toEqual([`order-graph-${job.id}.json`, `order-origin-${job.id}.json`]);
});

it('keeps smaller texts in Redis alone', async () => {
  const fleet = await openFleet();
  const job = graphJob(15 * KIB);
  await order(fleet, job);
  expect(await fleet.redis.hgetall(fleet.keys.texts(job.id))).toEqual({ graph: job.source?.text, origin: job.origin });
  expect(fleet.files.files.size).toBe(0);
});

it('refuses a job whose graph cannot be stored', async () => {
  const full = () => Promise.reject(new FleetError('storage_failed', 'There is no space left.'));
  const fleet = await openFleet({ files: { put: full, open: async () => undefined } });
  const job = graphJob();
  await expect(order(fleet, job)).rejects.toMatchObject({ code: 'storage_failed' });
  expect(await fleet.ledger.jobs.get(job.id)).toBeUndefined();
});

it('finds files unused when their job is forgotten, and not before', async () => {
  const fleet = await openFleet();
  const keeper = openHousekeeper(fleet);
  const [first, second] = [graphJob(), graphJob()];
  for (const job of [first, second]) await order(fleet, job);
  const unused = async () => [...(await keeper.unusedPayloads([...fleet.files.files.keys()]))].sort();
  const source = await fleet.claims();
  for (let n = 0; n < 2; n++) {
    const claim = await nextClaim(source);
    await claim.finish(succeeded(claim.record.id));
  }
  expect(await unused()).toEqual([]);
  await fleet.ledger.jobs.forget(first.id);
  expect(await unused()).toEqual([`order-graph-${first.id}.json`, `order-origin-${first.id}.json`]);
  await fleet.ledger.jobs.forget(second.id);
  expect(await unused()).toEqual([...fleet.files.files.keys()].sort());
});

it('finds files unused when the record that refers to them has expired', async () => {
  const fleet = await openFleet();
  const keeper = openHousekeeper(fleet);
  const time = (Date.now() - JOB_TTL_SECONDS * 1000 - 60_000).toString(16).padStart(12, '0');
  const id = `${time.slice(0, 8)}-${time.slice(8)}${newId().slice(13)}`;
  await order(fleet, { ...graphJob(), id });
  await fleet.redis.del(fleet.keys.job(id), fleet.keys.texts(id)); // as if they had expired
  await keeper.pruneIndexes();
  expect(await keeper.unusedPayloads([...fleet.files.files.keys()])).toHaveLength(2);
});

it('keeps a published graph when the last job of it is forgotten', async () => {
  const fleet = await openFleet();
  const job = graphJob();
  await order(fleet, job);
  await fleet.ledger.workflows.put('flux', job.source as NonNullable<NewJob['source']>, 'ops');
  await fleet.ledger.jobs.cancel(job.id);
  await fleet.ledger.jobs.forget(job.id);
  expect(await fleet.ledger.workflows.source(job.source?.version ?? '')).toBe(job.source?.text);
});

it('keeps the source of a workflow while other keys run it, even if a key sent the same graph and deleted its job', async () => {
  const fleet = await openFleet();
  const graph = graphJob(10);
  await order(fleet, graph, 'mallory');
  const { version = '' } = graph.source ?? {};
  const served = { ...aJob({ request: { version } }), source: graph.source as NonNullable<NewJob['source']> };
  await order(fleet, served, 'anna');
  await fleet.ledger.jobs.cancel(graph.id);
  await fleet.ledger.jobs.forget(graph.id);
  expect(await fleet.ledger.jobs.source(served)).toBe(graph.source?.text);
});
