import { Writable } from 'node:stream';
import { workerConnection } from '@comfy-fleet/redis';
import { createLogger } from '@comfy-fleet/telemetry';
import { redisSettings, startRedisServer, until } from '@comfy-fleet/testing';
import { describe, expect, it, onTestFinished } from 'vitest';
import { failed, nextClaim, openFleet, quietLog, succeeded } from './builders.js';
import {
  attempt,
  deliveryOf,
  dispatch,
  endedJob,
  endedJobs,
  nothingLeft,
  notTaken,
  recorder,
  taken,
} from './deliveries-builders.js';

describe('a job that ends', () => {
  it('is delivered once, under its own id, with its final record, and leaves nothing but the log', async () => {
    const fleet = await openFleet();
    const receiver = recorder();
    dispatch(fleet, receiver.handler);
    const callback = { url: 'https://receiver.example/hook', secret: `whsec_${'A'.repeat(32)}` };
    const { id } = (await fleet.submit({ callback, key: 'anna' })).record;
    await (await nextClaim(await fleet.claims())).finish(succeeded(id));
    await deliveryOf(fleet).reaches(id, 'delivered');
    await nothingLeft(fleet);
    expect(receiver.dues).toHaveLength(1);
    expect(receiver.dues[0]).toMatchObject({
      id: `msg_${id}`,
      webhook: callback,
      failedTries: 0,
      again: false,
      snapshot: { record: { id, key: 'anna', status: 'succeeded', outputs: [{ file: `${id}_1.png` }] } },
    });
  });

  it.each([
    ['failed', ['job.succeeded', 'job.failed'], 'delivered'],
    ['failed', ['job.succeeded'], 'skipped'],
    ['canceled', ['job.canceled'], 'delivered'],
    ['canceled', ['job.failed'], 'skipped'],
  ] as const)('as %s, with a webhook for %j, is %s', async (end, events, state) => {
    const fleet = await openFleet();
    const receiver = recorder();
    dispatch(fleet, receiver.handler);
    const callback = { url: 'https://receiver.example', events: [...events] };
    const { id } = (await fleet.submit({ callback })).record;
    if (end === 'canceled') await fleet.ledger.jobs.cancel(id);
    else await (await nextClaim(await fleet.claims())).finish(failed());
    expect(await deliveryOf(fleet).reaches(id, state)).toMatchObject({ events, url: 'https://receiver.example' });
    await nothingLeft(fleet);
    expect(receiver.dues).toHaveLength(state === 'skipped' ? 0 : 1);
  });

  it('and is deleted before its webhook was sent is dropped', async () => {
    const fleet = await openFleet();
    const [deleted, kept] = [await endedJob(fleet), await endedJob(fleet)];
    await fleet.redis.del(fleet.keys.job(deleted));
    const receiver = recorder();
    dispatch(fleet, receiver.handler);
    await nothingLeft(fleet);
    expect(receiver.dues.map(({ id }) => id)).toEqual([`msg_${kept}`]);
  });

  it('without a webhook notifies nobody', async () => {
    const fleet = await openFleet();
    const { id } = (await fleet.submit()).record;
    await fleet.ledger.jobs.cancel(id);
    expect(await fleet.redis.xlen(fleet.keys.outbox)).toBe(0);
    await expect(deliveryOf(fleet).read(id)).rejects.toMatchObject({ code: 'webhook_not_found' });
    await expect(deliveryOf(fleet).redeliver(id)).rejects.toMatchObject({ code: 'webhook_not_found' });
  });
});

describe('a webhook that is not accepted', () => {
  it('is tried again with the same id after the given delay, and every attempt is logged', async () => {
    const fleet = await openFleet();
    const receiver = recorder(({ failedTries }) => (failedTries < 3 ? notTaken(30) : taken));
    dispatch(fleet, receiver.handler);
    const id = await endedJob(fleet);
    const delivery = await deliveryOf(fleet).reaches(id, 'delivered');
    expect(receiver.dues.map((due) => [due.id, due.failedTries])).toEqual([0, 1, 2, 3].map((n) => [`msg_${id}`, n]));
    expect(delivery.attempts.map(({ status, answer, delivered }) => [status, answer, delivered])).toEqual([
      [500, 'broken', false],
      [500, 'broken', false],
      [500, 'broken', false],
      [200, 'thanks', true],
    ]);
    expect(delivery.attempts[0]).toEqual({ ...attempt(500, 'broken'), at: expect.any(String) });
    expect(delivery).toMatchObject({ id: `msg_${id}`, next_attempt_at: null });
  });

  it('is logged with the reason why there was no answer, but without the text of an answer', async () => {
    const fleet = await openFleet();
    const reason = 'The host of the URL refuses the connection.';
    const receiver = recorder(({ failedTries }) => {
      if (failedTries === 0) return { attempt: attempt(null, reason), retryInMs: 10 };
      return failedTries === 1 ? notTaken(10) : { attempt: attempt(null, reason), retryInMs: undefined };
    });
    const { log, lines } = loudLog();
    dispatch(fleet, receiver.handler, { overrides: { log } });
    const id = await endedJob(fleet);
    await deliveryOf(fleet).reaches(id, 'failed');
    const said = await until('all is said', () => {
      const about = lines.filter(({ job }) => job === id);
      return about.length >= 3 && about;
    });
    expect(said).toMatchObject([
      { message: 'webhook not accepted', status: null, reason, retry_ms: 10 },
      { message: 'webhook not accepted', status: 500, retry_ms: 10 },
      { message: 'webhook failed for good', status: null, reason },
    ]);
    expect(said[1]).not.toHaveProperty('reason');
    expect(JSON.stringify(said)).not.toContain('broken');
  });

  it('shows the time of the next attempt while it waits for it', async () => {
    const fleet = await openFleet();
    dispatch(fleet, recorder(() => notTaken(60_000)).handler);
    const { read } = deliveryOf(fleet);
    const id = await endedJob(fleet);
    const waiting = await until('the next try is known', async () => {
      const delivery = await read(id);
      return delivery.next_attempt_at !== null && delivery;
    });
    expect(waiting.state).toBe('pending');
    expect(waiting.attempts).toHaveLength(1);
    // A minute after the last refusal was logged.
    const noted = Date.parse(waiting.next_attempt_at ?? '') - 60_000;
    expect(noted).toBeGreaterThanOrEqual(Date.parse(waiting.attempts[0]?.at ?? ''));
    expect(noted).toBeLessThanOrEqual(Date.now());
  });

  it('has failed if there is no other attempt', async () => {
    const fleet = await openFleet();
    const receiver = recorder(({ failedTries }) => notTaken(failedTries < 2 ? 10 : undefined));
    dispatch(fleet, receiver.handler);
    const id = await endedJob(fleet);
    expect((await deliveryOf(fleet).reaches(id, 'failed')).attempts).toHaveLength(3);
    await nothingLeft(fleet);
    expect(receiver.dues).toHaveLength(3);
  });

  it('keeps the newest 50 attempts in the log', async () => {
    const fleet = await openFleet();
    const receiver = recorder(({ failedTries }) => ({
      attempt: attempt(500, `try ${failedTries}`),
      retryInMs: failedTries < 59 ? 1 : undefined,
    }));
    dispatch(fleet, receiver.handler);
    const id = await endedJob(fleet);
    await receiver.got(60);
    const { attempts } = await deliveryOf(fleet).reaches(id, 'failed');
    expect([attempts.length, attempts[0]?.answer, attempts.at(-1)?.answer]).toEqual([50, 'try 10', 'try 59']);
  });
});

describe('a redelivery', () => {
  it('of a delivered webhook is sent again under the same id', async () => {
    const fleet = await openFleet();
    const receiver = recorder();
    dispatch(fleet, receiver.handler);
    const { redeliver, reaches } = deliveryOf(fleet);
    const id = await endedJob(fleet);
    await reaches(id, 'delivered');
    await nothingLeft(fleet);
    await redeliver(id);
    await receiver.got(2);
    expect(receiver.dues.map((due) => due.id)).toEqual([`msg_${id}`, `msg_${id}`]);
    await nothingLeft(fleet);
    expect((await reaches(id, 'delivered')).attempts).toHaveLength(2);
  });

  it('of a failed webhook restarts the schedule', async () => {
    const fleet = await openFleet();
    const receiver = recorder(({ failedTries }) => notTaken(failedTries < 1 ? 5 : undefined));
    dispatch(fleet, receiver.handler);
    const { redeliver, reaches } = deliveryOf(fleet);
    const id = await endedJob(fleet);
    await reaches(id, 'failed');
    await nothingLeft(fleet);
    await redeliver(id);
    await receiver.got(4);
    expect(receiver.dues.map(({ failedTries }) => failedTries)).toEqual([0, 1, 0, 1]);
    expect(receiver.dues.map(({ again }) => again)).toEqual([false, false, true, true]);
  });

  it('of a webhook that waits for its next attempt makes that attempt at once', async () => {
    const fleet = await openFleet();
    const receiver = recorder(({ failedTries }) => (failedTries === 0 ? notTaken(3_600_000) : taken));
    dispatch(fleet, receiver.handler);
    const { redeliver, reaches, read } = deliveryOf(fleet);
    const id = await endedJob(fleet);
    await until('it waits', async () => (await read(id)).next_attempt_at !== null);
    await redeliver(id);
    expect((await reaches(id, 'delivered')).attempts).toHaveLength(2);
  });

  it('is refused while the job has not ended, and if the webhook does not want its event', async () => {
    const fleet = await openFleet();
    const { read, redeliver } = deliveryOf(fleet);
    const { id } = (await fleet.submit({ callback: { url: 'https://a.example', events: ['job.failed'] } })).record;
    expect(await read(id)).toMatchObject({ state: 'waiting', attempts: [], next_attempt_at: null });
    await expect(redeliver(id)).rejects.toMatchObject({ code: 'wrong_job_state' });
    await fleet.ledger.jobs.cancel(id);
    await expect(redeliver(id)).rejects.toMatchObject({ code: 'wrong_job_state' });
  });
});

it('does not show fields of the dispatcher in the log of attempts', async () => {
  const fleet = await openFleet();
  dispatch(fleet, recorder().handler);
  const { attempts } = await deliveryOf(fleet).reaches(await endedJob(fleet), 'delivered');
  expect(Object.keys(attempts[0] ?? {}).sort()).toEqual(['answer', 'at', 'delivered', 'duration_ms', 'status']);
});

it('repeats later, without counting an attempt, if the handler fails through no fault of the receiver', async () => {
  const fleet = await openFleet();
  const receiver = recorder(() => Promise.reject(new Error('a bug')));
  dispatch(fleet, receiver.handler);
  const { read, redeliver } = deliveryOf(fleet);
  const id = await endedJob(fleet);
  const aside = await until('it was put aside', async () => {
    const delivery = await read(id);
    return delivery.next_attempt_at !== null && delivery;
  });
  expect(aside).toMatchObject({ state: 'pending', attempts: [] });
  await redeliver(id);
  await receiver.got(2);
  expect(receiver.dues[1]).toMatchObject({ failedTries: 0 });
});

it('uses only one slot of a Redis Cluster in every step', async () => {
  const server = await startRedisServer({ args: ['--cluster-enabled', 'yes', '--cluster-node-timeout', '1000'] });
  onTestFinished(() => server.close());
  const admin = workerConnection(redisSettings({ url: server.url, prefix: '{x}' }), quietLog());
  onTestFinished(() => admin.disconnect());
  await admin.cluster('ADDSLOTSRANGE', 0, 16_383);
  await until('the cluster is up', async () => (await admin.cluster('INFO')).includes('cluster_state:ok'));
  const fleet = await openFleet({ url: server.url });
  const receiver = recorder(({ failedTries }) => (failedTries === 0 ? notTaken(10) : taken));
  dispatch(fleet, receiver.handler, { limits: { perHost: 1 } });
  const { reaches, redeliver } = deliveryOf(fleet);
  const ids = await endedJobs(fleet, 10);
  for (const id of ids) expect((await reaches(id, 'delivered')).attempts).toHaveLength(2);
  await nothingLeft(fleet);
  await redeliver(ids[0] as string);
  await receiver.got(21);
});

/** A log that keeps its lines. */
function loudLog() {
  const lines: Record<string, unknown>[] = [];
  const stream = new Writable({
    write: (chunk, _encoding, done) => {
      lines.push(JSON.parse(String(chunk)) as Record<string, unknown>);
      done();
    },
  });
  return { lines, log: createLogger({ service: 'test', level: 'info', format: 'json', stream }) };
}
