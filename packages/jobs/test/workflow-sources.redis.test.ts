import { createHash } from 'node:crypto';
import { newId } from '@comfy-fleet/contracts';
import { GRAPH } from '@comfy-fleet/workflows';
import { expect, it } from 'vitest';
import type { NewOrder, StoredSource } from '../src/index.js';
import { aJob, type Fleet, JOB_TTL_SECONDS, nextClaim, openFleet, ownRedis, succeeded } from './builders.js';

const DAY_MS = 86_400_000;

function aSource(text = `{"graph":{"1":"${newId()}"}}`): StoredSource {
  return { version: createHash('sha256').update(text).digest('hex'), text };
}

const jobOf = (source: StoredSource, more: Parameters<typeof aJob>[0] = {}) =>
  aJob({ source, request: { version: source.version }, ...more });

function orderOf(sources: readonly StoredSource[], more: Partial<NewOrder> = {}): NewOrder {
  return { jobs: sources.map((source) => jobOf(source)), caller: 'anna', ...more };
}

const lifeOf = ({ redis, keys }: Fleet, { version }: StoredSource) => redis.pttl(keys.version(version));

/** How many script calls and bytes this Redis received meanwhile. */
async function askedDuring({ redis }: Fleet, use: () => Promise<unknown>): Promise<{ calls: number; bytes: number }> {
  await redis.config('RESETSTAT');
  await use();
  const told = `${await redis.info('commandstats')}\n${await redis.info('stats')}`;
  const [, calls] = /cmdstat_evalsha:calls=(\d+)/.exec(told) ?? [];
  const [, bytes] = /total_net_input_bytes:(\d+)/.exec(told) ?? [];
  return { calls: Number(calls), bytes: Number(bytes) };
}

it('stores the source of a job for every worker before the job is accepted', async () => {
  const fleet = await openFleet();
  const source = aSource();
  const job = jobOf(source);
  await fleet.ledger.orders.create({ jobs: [job], caller: 'anna' });
  expect(await fleet.worker().source(job)).toBe(source.text);
});

it('stores all sources of an order of many jobs, beside those of other orders', async () => {
  const fleet = await openFleet();
  const [one, two, three] = [aSource(), aSource(), aSource()];
  const orders = [orderOf([one, two, one, two]), orderOf([three]), orderOf([one])];
  const accepted = await Promise.all(orders.map((order) => fleet.ledger.orders.create(order)));
  expect(accepted.map(({ ids }) => ids.length)).toEqual([4, 1, 1]);
  for (const { version, text } of [one, two, three]) expect(await fleet.ledger.workflows.source(version)).toBe(text);
});

it('sends a source only while Redis lacks it', async () => {
  const fleet = await openFleet({ url: (await ownRedis()).url });
  const source = aSource(`{"graph":{"1":"${newId()}${'x'.repeat(15_000)}"}}`);
  await fleet.ledger.orders.create(orderOf([aSource()])); // Redis knows the script from here on
  const first = await askedDuring(fleet, () => fleet.ledger.orders.create(orderOf([source])));
  const second = await askedDuring(fleet, () => fleet.ledger.orders.create(orderOf([source])));
  expect([first.calls, second.calls]).toEqual([2, 1]);
  expect(first.bytes).toBeGreaterThan(source.text.length);
  expect(second.bytes).toBeLessThan(source.text.length);
});

it("sends a graph of the caller's own with its job, in one call", async () => {
  const fleet = await openFleet({ url: (await ownRedis()).url });
  const graphOrder = (source: StoredSource): NewOrder => ({
    jobs: [jobOf(source, { request: { workflow: GRAPH, version: source.version } })],
    caller: 'anna',
  });
  await fleet.ledger.orders.create(graphOrder(aSource()));
  const { calls } = await askedDuring(fleet, () => fleet.ledger.orders.create(graphOrder(aSource())));
  expect(calls).toBe(1);
});

it('sends a source again after Redis lost it', async () => {
  const fleet = await openFleet();
  const source = aSource();
  await fleet.ledger.orders.create(orderOf([source]));
  await fleet.redis.del(fleet.keys.version(source.version));
  await fleet.ledger.orders.create(orderOf([source]));
  expect(await fleet.ledger.workflows.source(source.version)).toBe(source.text);
});

it('keeps a source as long as a job that names it may wait, and then as long as its record', async () => {
  const fleet = await openFleet();
  const source = aSource();
  const waits = 40 * DAY_MS;
  await fleet.ledger.orders.create({ jobs: [jobOf(source, { startWithinMs: waits })], caller: 'anna' });
  expect(await lifeOf(fleet, source)).toBeGreaterThan(waits + JOB_TTL_SECONDS * 1000);
  // as if it had waited for nearly all of that time
  await fleet.redis.pexpire(fleet.keys.version(source.version), 60_000);
  const claim = await nextClaim(await fleet.claims());
  await claim.finish(succeeded(claim.record.id));
  const record = await fleet.redis.pttl(fleet.keys.job(claim.record.id));
  expect(await lifeOf(fleet, source)).toBeGreaterThan(record);
});

it('never shortens the lifetime of a source that others need for longer', async () => {
  const fleet = await openFleet();
  const source = aSource();
  await fleet.ledger.orders.create({ jobs: [jobOf(source, { startWithinMs: 40 * DAY_MS })], caller: 'anna' });
  const before = await lifeOf(fleet, source);
  await fleet.ledger.orders.create({ jobs: [jobOf(source, { startWithinMs: 1000 })], caller: 'anna' });
  expect(await lifeOf(fleet, source)).toBeGreaterThan(before - DAY_MS);
});

it('stores no source of a refused order', async () => {
  const fleet = await openFleet();
  const source = aSource();
  await fleet.ledger.orders.create(orderOf([aSource()]));
  const refused = fleet.ledger.orders.create(orderOf([source], { mostWaiting: 1 }));
  await expect(refused).rejects.toMatchObject({ code: 'queue_full' });
  expect(await fleet.redis.exists(fleet.keys.version(source.version))).toBe(0);
  await fleet.ledger.orders.create(orderOf([source]));
  expect(await fleet.ledger.workflows.source(source.version)).toBe(source.text);
});

it('keeps published sources forever, whatever jobs name them and end', async () => {
  const fleet = await openFleet();
  const source = aSource();
  await fleet.ledger.workflows.put('flux', source, 'anna');
  await fleet.ledger.orders.create(orderOf([source]));
  const claim = await nextClaim(await fleet.claims());
  await claim.finish(succeeded(claim.record.id));
  expect(await lifeOf(fleet, source)).toBe(-1);
});
