import { until } from '@comfy-fleet/testing';
import { describe, expect, it } from 'vitest';
import { fieldsOf } from '../src/record/record.js';
import { type TryResult, webhookId } from '../src/webhooks/delivery-queue.js';
import type { DeliveryHandler } from '../src/webhooks/delivery-worker.js';
import { type Fleet, openFleet, ownRedis } from './builders.js';
import {
  attempt,
  deliveryOf,
  dispatch,
  endedJob,
  endedJobs,
  nothingLeft,
  recorder,
  SHORT_LOCKS,
  taken,
} from './deliveries-builders.js';

/** Queues the delivery in the outbox and leaves the entry there, as a dying process does; returns its run. */
async function queuedByADeadOne({ redis, keys, ...fleet }: Fleet): Promise<string> {
  const [[run, fields] = ['', []]] = await redis.xrange(keys.outbox, '-', '+');
  const { job = '' } = fieldsOf(fields);
  const { queue } = deliveryOf({ redis, keys, ...fleet });
  await queue.add([{ job, key: 'anonymous', host: 'receiver.example', run }]);
  return run;
}

/** What the log says of the only attempt of a run. */
const last = (run: string) => ({ run, tries: 1, isLast: true });

const loseLock = ({ redis, keys }: Fleet, id: string) =>
  redis.del(`${keys.prefix}:${keys.webhookQueue}:msg_${id}:lock`);

describe('a dispatcher that dies', () => {
  it('after queueing a delivery and before removing it from the outbox has it delivered once', async () => {
    const fleet = await openFleet();
    await endedJob(fleet);
    await queuedByADeadOne(fleet);
    const receiver = recorder();
    dispatch(fleet, receiver.handler);
    await receiver.got(1);
    await nothingLeft(fleet);
    expect(receiver.dues).toHaveLength(1);
  });

  it('before removing an entry from the outbox leaves the delivery waiting for its next attempt', async () => {
    const fleet = await openFleet();
    const id = await endedJob(fleet);
    await queuedByADeadOne(fleet);
    const receiver = recorder(() => ({ attempt: attempt(500), retryInMs: 3_600_000 }));
    dispatch(fleet, receiver.handler);
    await until('the outbox is empty', async () => (await fleet.redis.xlen(fleet.keys.outbox)) === 0);
    const { read } = deliveryOf(fleet);
    await until('it waits', async () => (await read(id)).next_attempt_at !== null);
    expect(await read(id)).toMatchObject({ state: 'pending', attempts: [{ status: 500 }] });
    expect(receiver.dues).toHaveLength(1);
  });

  it('in the middle of an attempt has it repeated under the same id when its lock expires', async () => {
    const fleet = await openFleet();
    const dying = recorder(() => new Promise(() => {}));
    const first = dispatch(fleet, dying.handler);
    const id = await endedJob(fleet);
    await dying.got(1);
    const receiver = recorder();
    dispatch(fleet, receiver.handler);
    await first.cutOff();
    await loseLock(fleet, id);
    await deliveryOf(fleet).reaches(id, 'delivered');
    expect([...dying.dues, ...receiver.dues].map((due) => [due.id, due.failedTries])).toEqual([
      [`msg_${id}`, 0],
      [`msg_${id}`, 0],
    ]);
  });

  it.each([200, 410])('after an answer of %d was logged does not have it delivered again', async (status) => {
    const fleet = await openFleet();
    const id = await endedJob(fleet);
    const run = await queuedByADeadOne(fleet);
    await deliveryOf(fleet).life.recordAttempt(id, { ...attempt(status), ...last(run) }, undefined);
    const receiver = recorder();
    dispatch(fleet, receiver.handler);
    await nothingLeft(fleet);
    expect(receiver.dues).toEqual([]);
    await deliveryOf(fleet).redeliver(id);
    await receiver.got(1);
  });

  it('before removing an entry from the outbox does not have it delivered again after a redelivery', async () => {
    const fleet = await openFleet();
    const id = await endedJob(fleet);
    const { queue, life, redeliver } = deliveryOf(fleet);
    const run = await queuedByADeadOne(fleet);
    await life.recordAttempt(id, { ...attempt(500), ...last(run) }, undefined);
    await queue.queue.remove(webhookId(id));
    await redeliver(id);
    const receiver = recorder();
    dispatch(fleet, receiver.handler);
    await receiver.got(1);
    await nothingLeft(fleet);
    expect(receiver.dues.map(({ again }) => again)).toEqual([true]);
  });
});

it('shows an attempt once whose log entry was written twice because Redis died before answering', async () => {
  const fleet = await openFleet();
  const id = await endedJob(fleet);
  const failed = { ...attempt(500), run: '1-0', tries: 1, isLast: false };
  const later = {
    ...taken.attempt,
    run: '1-0',
    tries: 2,
    isLast: true,
    at: new Date(Date.parse(failed.at) + 1).toISOString(),
  };
  // As ioredis does without a reply when the connection drops.
  const { life } = deliveryOf(fleet);
  for (const each of [failed, failed, later, later]) await life.recordAttempt(id, each, 1000);
  const { attempts } = await deliveryOf(fleet).read(id);
  expect(attempts.map(({ at, status }) => [at, status])).toEqual([
    [failed.at, 500],
    [later.at, 200],
  ]);
});

it('aborts an attempt whose lock was lost, and another dispatcher repeats it', async () => {
  const fleet = await openFleet();
  let brokenOff = 0;
  let tries = 0;
  const handler: DeliveryHandler = async (_due, signal) => {
    tries += 1;
    // Simulates a dispatcher that paused for longer than its lock lasts.
    await loseLock(fleet, id);
    return new Promise((_, reject) => {
      signal.addEventListener('abort', () => {
        brokenOff += 1;
        reject(signal.reason);
      });
    });
  };
  const first = dispatch(fleet, handler, { overrides: { ...SHORT_LOCKS, stalledCheckMs: 3_600_000 } });
  const id = await endedJob(fleet);
  await until('it is aborted', () => brokenOff === 1);
  await first.stop();
  await fleet.redis.del(fleet.keys.webhookPart('stalled-check')); // which says when the next check is due
  const receiver = recorder();
  dispatch(fleet, receiver.handler);
  expect((await deliveryOf(fleet).reaches(id, 'delivered')).attempts).toHaveLength(1);
  expect([tries, receiver.dues.length]).toEqual([1, 1]);
});

it('hands each delivery to one of two dispatchers only', async () => {
  const fleet = await openFleet();
  // Answers wait until both dispatchers have begun, so that neither makes all deliveries alone.
  const answer = async (): Promise<TryResult> => {
    await until('both have begun', () => receivers.every(({ dues }) => dues.length > 0));
    return taken;
  };
  const receivers = [recorder(answer), recorder(answer)];
  for (const { handler } of receivers) dispatch(fleet, handler);
  const ids = await endedJobs(fleet, 300);
  const all = () => receivers.flatMap(({ dues }) => dues.map(({ id }) => id));
  await until('all came', () => all().length >= 300);
  await nothingLeft(fleet);
  expect(all().sort()).toEqual(ids.map((id) => `msg_${id}`).sort());
});

it('finishes the attempts in progress when it is stopped, and begins no others', async () => {
  const fleet = await openFleet();
  let answer: () => void = () => {};
  const receiver = recorder(() => new Promise((resolve) => (answer = () => resolve(taken))));
  const dispatcher = dispatch(fleet, receiver.handler);
  const [first] = [await endedJob(fleet)];
  await receiver.got(1);
  const stopped = dispatcher.stop();
  const later = await endedJob(fleet);
  answer();
  await stopped;
  const { read, reaches } = deliveryOf(fleet);
  expect(await read(first)).toMatchObject({ state: 'delivered' });
  expect(await read(later)).toMatchObject({ state: 'pending', attempts: [] });
  dispatch(fleet, recorder().handler);
  await reaches(later, 'delivered');
});

it('delivers everything although Redis is killed and restarted in between', async () => {
  const server = await ownRedis();
  const fleet = await openFleet({ url: server.url });
  const receiver = recorder(({ failedTries }) =>
    failedTries === 0 ? { attempt: attempt(503), retryInMs: 300 } : taken,
  );
  dispatch(fleet, receiver.handler, { overrides: SHORT_LOCKS });
  const ids: string[] = [];
  for (let n = 0; n < 20; n++) ids.push(await endedJob(fleet));
  await server.stop('SIGKILL');
  await server.restart();
  await until('the ledger answers', () =>
    fleet.ledger.ping().then(
      () => true,
      () => false,
    ),
  );
  for (let n = 0; n < 20; n++) ids.push(await endedJob(fleet));
  for (const id of ids) await deliveryOf(fleet).reaches(id, 'delivered');
});
