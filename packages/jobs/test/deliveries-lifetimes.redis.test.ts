import { until } from '@comfy-fleet/testing';
import { describe, expect, it } from 'vitest';
import { type Fleet, JOB_TTL_SECONDS, openFleet } from './builders.js';
import { deliveryOf, dispatch, endedJob, nothingLeft, notTaken, recorder, taken } from './deliveries-builders.js';
import { openHousekeeper } from './housekeepers.js';

const DAY_MS = 86_400_000;
const TTL_MS = JOB_TTL_SECONDS * 1000;
const leftOf = (fleet: Fleet, id: string) => fleet.redis.pttl(fleet.keys.job(id));

/** Resolves when the lifetime of a job without a webhook that ends now is over. */
async function aLifetimeLater(fleet: Fleet): Promise<void> {
  const { id } = (await fleet.submit()).record;
  await fleet.ledger.jobs.cancel(id);
  await until('another ended job is gone', async () => (await fleet.ledger.jobs.get(id)) === undefined);
}

describe('a job whose webhook is undelivered', () => {
  it('exists when dispatchers return after a time longer than its lifetime', async () => {
    const fleet = await openFleet({ jobTtlSeconds: 0.1 });
    const id = await endedJob(fleet);
    await aLifetimeLater(fleet);
    const receiver = recorder();
    dispatch(fleet, receiver.handler, { overrides: { jobTtlSeconds: 0.1 } });
    await receiver.got(1);
    expect(receiver.dues[0]?.id).toBe(`msg_${id}`);
  });

  it('exists for a next attempt after its lifetime', async () => {
    const fleet = await openFleet({ jobTtlSeconds: 0.1 });
    const receiver = recorder(({ failedTries }) => (failedTries === 0 ? notTaken(3_600_000) : taken));
    dispatch(fleet, receiver.handler, { overrides: { jobTtlSeconds: 0.1 } });
    const id = await endedJob(fleet);
    const { queue, read } = deliveryOf(fleet);
    await until('it waits', async () => (await read(id)).next_attempt_at !== null);
    await aLifetimeLater(fleet);
    expect((await read(id)).attempts).toHaveLength(1);
    await queue.promote(`msg_${id}`);
    await receiver.got(2);
  });

  it('lives longer by the time until its next attempt', async () => {
    const fleet = await openFleet();
    const nextTryMs = 100 * DAY_MS;
    dispatch(fleet, recorder(() => notTaken(nextTryMs)).handler);
    const id = await endedJob(fleet);
    const { read } = deliveryOf(fleet);
    await until('it waits', async () => (await read(id)).next_attempt_at !== null);
    expect(await leftOf(fleet, id)).toBeGreaterThan(nextTryMs + TTL_MS);
    expect(await fleet.redis.pttl(fleet.keys.jobsOf('anonymous'))).toBeGreaterThan(nextTryMs + TTL_MS);
  });

  it('stays in the list of its key, whatever is created and ends after it', async () => {
    const fleet = await openFleet();
    const id = await endedJob(fleet);
    const { id: other } = (await fleet.submit()).record;
    await fleet.ledger.jobs.cancel(other);
    expect(await fleet.redis.pttl(fleet.keys.jobsOf('anonymous'))).toBeGreaterThan(await leftOf(fleet, id));
  });

  it('is kept even if an earlier process gave it only its lifetime', async () => {
    const fleet = await openFleet();
    const id = await endedJob(fleet);
    await fleet.redis.pexpire(fleet.keys.job(id), 60_000);
    const { life } = deliveryOf(fleet);
    expect(await life.prolong(id)).toBe('anonymous');
    expect(await leftOf(fleet, id)).toBeGreaterThan(DAY_MS);
  });
});

describe('the lifetime of a job starts with the end of its delivery', () => {
  it.each([
    ['that was taken', taken],
    ['that failed for good', notTaken()],
  ])('%s', async (_which, result) => {
    const fleet = await openFleet();
    dispatch(fleet, recorder(() => result).handler);
    const id = await endedJob(fleet);
    expect(await leftOf(fleet, id)).toBeGreaterThan(0);
    await nothingLeft(fleet);
    expect(await leftOf(fleet, id)).toBeLessThanOrEqual(TTL_MS);
    expect(await leftOf(fleet, id)).toBeGreaterThan(TTL_MS - 60_000);
  });

  it('or at once if its webhook does not want its event', async () => {
    const fleet = await openFleet();
    const id = await endedJob(fleet, { url: 'https://receiver.example', events: ['job.succeeded'] });
    expect(await fleet.redis.xlen(fleet.keys.outbox)).toBe(0);
    expect(await leftOf(fleet, id)).toBeLessThanOrEqual(TTL_MS);
  });
});

describe('a job that is deleted', () => {
  it('during an attempt leaves no log of it', async () => {
    const fleet = await openFleet();
    const receiver = recorder(async ({ snapshot }) => {
      await fleet.ledger.jobs.forget(snapshot.record.id);
      return notTaken(86_400_000);
    });
    dispatch(fleet, receiver.handler);
    const id = await endedJob(fleet);
    await receiver.got(1);
    await nothingLeft(fleet);
    expect(receiver.dues).toHaveLength(1);
    expect(await fleet.redis.exists(fleet.keys.job(id))).toBe(0);
  });

  it('while its receiver has postponed its webhook leaves no delivery of it', async () => {
    const fleet = await openFleet();
    const receiver = recorder(() => notTaken(86_400_000));
    dispatch(fleet, receiver.handler);
    const id = await endedJob(fleet);
    const delayed = () => fleet.redis.zcard(fleet.keys.webhookPart('delayed'));
    await until('the delivery is delayed', async () => (await delayed()) === 1);
    await fleet.ledger.jobs.forget(id);
    await nothingLeft(fleet);
    expect(await fleet.redis.exists(fleet.keys.webhookPart(`msg_${id}`))).toBe(0);
  });

  it('during a redelivery request is not found, and nothing is sent', async () => {
    const fleet = await openFleet();
    const id = await endedJob(fleet);
    const { record } = await fleet.get(id);
    await fleet.ledger.jobs.forget(id);
    await expect(fleet.ledger.webhooks.redeliver(record)).rejects.toMatchObject({ code: 'job_not_found' });
    const receiver = recorder();
    dispatch(fleet, receiver.handler);
    await nothingLeft(fleet);
    expect(receiver.dues).toEqual([]);
  });
});

it('ends and keeps a job whose webhook URL has half a character, which Lua cannot parse', async () => {
  const fleet = await openFleet();
  const id = await endedJob(fleet, { url: 'https://receiver.example/\ud800', events: ['job.canceled'] });
  expect(await openHousekeeper(fleet).forget(id)).toBe('open');
  const receiver = recorder();
  dispatch(fleet, receiver.handler);
  await receiver.got(1);
  await nothingLeft(fleet);
  expect(await openHousekeeper(fleet).forget(id)).toBe('forgotten');
});
