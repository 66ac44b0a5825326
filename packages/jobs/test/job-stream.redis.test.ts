import { newId } from '@comfy-fleet/contracts';
import { createSubscriptions, producerConnection, untilReady, workerConnection } from '@comfy-fleet/redis';
import { until } from '@comfy-fleet/testing';
import { expect, it, onTestFinished } from 'vitest';
import { jobStream } from '../src/callers/job-stream.js';
import type { Claim, JobStreamItem } from '../src/index.js';
import {
  collect,
  type Fleet,
  openFleet,
  openLedger,
  ownRedis,
  quietLog,
  startNext,
  succeeded,
  within,
} from './builders.js';

const step = (n: number) => ({ fraction: n / 1000, step: n, steps: 1000, node: 'KSampler' });
const isEvent = (item: JobStreamItem) => item.kind === 'event';

/** A short form of an item, to compare. */
function short(item: JobStreamItem): string {
  if (item.kind === 'snapshot') return `snapshot ${item.snapshot.record.status}`;
  if (item.kind === 'preview') return `preview ${item.preview.data}`;
  return item.event.type === 'status' ? item.event.status : `step ${item.event.progress.step}`;
}

/** Collects a job's stream in the background: `items` grows, `done` resolves at its end. */
function listen(fleet: Fleet, id: string, after?: string) {
  const items: JobStreamItem[] = [];
  const options = { signal: within(), ...(after === undefined ? {} : { after }) };
  const done = (async () => {
    for await (const item of fleet.ledger.jobs.events(id, options)) items.push(item);
  })();
  return { items, done };
}

/** Disconnects every subscriber of this Redis and runs `commands` before any can reconnect (100 ms at the earliest). */
async function whileSubscribersAreCut(fleet: Fleet, commands: () => Promise<unknown>): Promise<void> {
  await fleet.redis.call('CLIENT', 'KILL', 'TYPE', 'pubsub');
  await commands();
}

async function running(fleet: Fleet): Promise<{ id: string; claim: Claim; promptId: string }> {
  const { id } = (await fleet.submit()).record;
  return { id, ...(await startNext(await fleet.claims())) };
}

it('yields the snapshot first, then each event as it happens, and ends after the terminal one', async () => {
  const fleet = await openFleet();
  const { id } = (await fleet.submit()).record;
  const { items, done } = listen(fleet, id);
  await until('the snapshot came', () => items.length === 1);
  const { claim, promptId } = await startNext(await fleet.claims());
  await claim.progress(step(1));
  await claim.finish(succeeded(id), promptId);
  await done;
  expect(items.map(short)).toEqual(['snapshot queued', 'running', 'step 1', 'succeeded']);
});

it('yields only the snapshot, and ends, for a job that has ended', async () => {
  const fleet = await openFleet();
  const { id, claim, promptId } = await running(fleet);
  await claim.finish(succeeded(id), promptId);
  const items = await collect(fleet.ledger.jobs.events(id, { signal: within() }));
  expect(items.map(short)).toEqual(['snapshot succeeded']);
});

it('yields nothing, and ends, for a job that does not exist', async () => {
  const fleet = await openFleet();
  expect(await collect(fleet.ledger.jobs.events(newId(), { signal: within() }))).toEqual([]);
});

it('continues after the event id that a caller names', async () => {
  const fleet = await openFleet();
  const { id, claim, promptId } = await running(fleet);
  const after = (await fleet.get(id)).lastEventId;
  await claim.progress(step(1));
  await claim.progress(step(2));
  const { items, done } = listen(fleet, id, after);
  await until('the replay came', () => items.length === 3);
  await claim.finish(succeeded(id), promptId);
  await done;
  expect(items.map(short)).toEqual(['snapshot running', 'step 1', 'step 2', 'succeeded']);
});

it('replays missed events, and ends, for a caller who returns after the end', async () => {
  const fleet = await openFleet();
  const { id, claim, promptId } = await running(fleet);
  const after = (await fleet.get(id)).lastEventId;
  await claim.progress(step(1));
  await claim.finish(succeeded(id), promptId);
  const { items, done } = listen(fleet, id, after);
  await done;
  expect(items.map(short)).toEqual(['snapshot succeeded', 'step 1', 'succeeded']);
});

it('replays nothing, and ends, for a caller who has seen the terminal event', async () => {
  const fleet = await openFleet();
  const { id, claim, promptId } = await running(fleet);
  await claim.finish(succeeded(id), promptId);
  const { items, done } = listen(fleet, id, (await fleet.get(id)).lastEventId);
  await done;
  expect(items.map(short)).toEqual(['snapshot succeeded']);
});

it('yields new events to a caller whose event id lies in the future', async () => {
  const fleet = await openFleet();
  const { id, claim, promptId } = await running(fleet);
  const { items, done } = listen(fleet, id, '999999999999999-0');
  await until('the snapshot came', () => items.length === 1);
  await claim.finish(succeeded(id), promptId);
  await done;
  expect(items.map(short)).toEqual(['snapshot running', 'succeeded']);
});

it('loses and repeats nothing for 40 listeners who join while events are being written', async () => {
  const fleet = await openFleet();
  const { id, claim, promptId } = await running(fleet);
  let written = 0;
  const listeners: ReturnType<typeof listen>[] = [];
  for (let n = 0; n < 40; n++) {
    const listener = listen(fleet, id);
    listeners.push(listener);
    while (listener.items.length === 0) await claim.progress(step(++written));
  }
  expect(written).toBeGreaterThan(40);
  await claim.finish(succeeded(id), promptId);
  await Promise.all(listeners.map(({ done }) => done));
  for (const { items } of listeners) {
    const [first, ...rest] = items;
    if (first?.kind !== 'snapshot') throw new Error('the snapshot was not first');
    const seen = first.snapshot.record.progress.step ?? 0;
    const missing = Array.from({ length: written - seen }, (_, index) => `step ${seen + index + 1}`);
    expect(rest.map(short)).toEqual([...missing, 'succeeded']);
    expect(rest.every(isEvent)).toBe(true);
  }
});

it('reads what happened while its subscriber connection was down, and repeats nothing', async () => {
  const fleet = await openFleet({ url: (await ownRedis()).url });
  const { id, claim, promptId } = await running(fleet);
  const { items, done } = listen(fleet, id);
  await until('the snapshot came', () => items.length === 1);
  await claim.progress(step(1));
  await until('the first event came', () => items.length === 2);
  await whileSubscribersAreCut(fleet, () => Promise.all([claim.progress(step(2)), claim.progress(step(3))]));
  await until('the gap was filled', () => items.length === 4);
  await claim.finish(succeeded(id), promptId);
  await done;
  expect(items.map(short)).toEqual(['snapshot running', 'step 1', 'step 2', 'step 3', 'succeeded']);
});

it('waits for the reading connection when the subscriber is back first', async () => {
  const fleet = await openFleet({ url: (await ownRedis()).url });
  const { id, claim, promptId } = await running(fleet);
  const { keys, settings } = fleet;
  const redis = producerConnection(settings, quietLog());
  const subscriptions = createSubscriptions(workerConnection(settings, quietLog()), keys.pools, quietLog());
  onTestFinished(() => {
    redis.disconnect();
    subscriptions.close();
  });
  await untilReady(redis, within());
  const items: JobStreamItem[] = [];
  const sources = { redis, keys, subscriptions, read: (job: string) => fleet.ledger.jobs.get(job) };
  const done = (async () => {
    for await (const item of jobStream(sources, id, { signal: within() })) items.push(item);
  })();
  await until('the snapshot came', () => items.length === 1);
  redis.disconnect();
  await whileSubscribersAreCut(fleet, () => claim.finish(succeeded(id), promptId));
  await until('it listens again', async () => (await fleet.redis.pubsub('NUMSUB', keys.jobChannel(id)))[1] === 1);
  await redis.connect();
  await done;
  expect(items.map(short)).toEqual(['snapshot running', 'succeeded']);
});

it('yields the end if the job ended and its events expired while the connection was down', async () => {
  const fleet = await openFleet({ url: (await ownRedis()).url });
  const { id } = await running(fleet);
  const { items, done } = listen(fleet, id);
  await until('the snapshot came', () => items.length === 1);
  const end = { status: 'succeeded', phase: 'ended', finished_at: Date.now() + 1000 };
  await fleet.redis.hset(fleet.keys.job(id), end);
  await whileSubscribersAreCut(fleet, () => fleet.redis.del(fleet.keys.events(id)));
  await done;
  expect(items.map(short)).toEqual(['snapshot running', 'succeeded']);
});

it('yields the end of a job that never began, also if the connection was down when it ended', async () => {
  const fleet = await openFleet({ url: (await ownRedis()).url });
  const heard = (await fleet.submit()).record.id;
  const missed = (await fleet.submit()).record.id;
  const listeners = [heard, missed].map((id) => listen(fleet, id));
  await until('the snapshots came', () => listeners.every(({ items }) => items.length === 1));
  await fleet.ledger.jobs.cancel(heard);
  await listeners[0]?.done;
  await whileSubscribersAreCut(fleet, () => fleet.ledger.jobs.cancel(missed));
  await listeners[1]?.done;
  for (const { items } of listeners) expect(items.map(short)).toEqual(['snapshot queued', 'canceled']);
});

it('unsubscribes when the last listener of a job has left, and not before', async () => {
  const fleet = await openFleet();
  const { id, claim, promptId } = await running(fleet);
  const subscribers = async () => (await fleet.redis.pubsub('NUMSUB', fleet.keys.jobChannel(id)))[1];
  const leaving = new AbortController();
  const left = collect(fleet.ledger.jobs.events(id, { signal: leaving.signal })).catch((error: unknown) => error);
  const { items, done } = listen(fleet, id);
  await until('the snapshot came', () => items.length === 1);
  expect(await subscribers()).toBe(1);
  const reason = new Error('the caller hung up');
  leaving.abort(reason);
  expect(await left).toBe(reason);
  await claim.progress(step(1));
  await until('the other still hears', () => items.length === 2);
  await claim.finish(succeeded(id), promptId);
  await done;
  await until('nobody is subscribed', async () => (await subscribers()) === 0);
});

it('waits until the job ends, from another process too', async () => {
  const fleet = await openFleet();
  const { id, claim, promptId } = await running(fleet);
  const other = await openLedger({ url: fleet.url, prefix: fleet.keys.prefix });
  const waits = [fleet.ledger, other].map((ledger) => ledger.jobs.wait(id, { timeoutMs: 180_000, signal: within() }));
  const subscribed = async () => Number((await fleet.redis.pubsub('NUMSUB', fleet.keys.jobChannel(id)))[1]) === 2;
  await until('both listen', subscribed);
  await claim.finish(succeeded(id), promptId);
  for (const snapshot of await Promise.all(waits)) expect(snapshot?.record.status).toBe('succeeded');
});

it('answers a wait at once for an ended job, and with undefined for one that does not exist', async () => {
  const fleet = await openFleet();
  const { id } = (await fleet.submit()).record;
  await fleet.ledger.jobs.cancel(id);
  const options = { timeoutMs: 60_000, signal: within() };
  expect((await fleet.ledger.jobs.wait(id, options))?.record.status).toBe('canceled');
  expect(await fleet.ledger.jobs.wait(newId(), options)).toBeUndefined();
});

it('answers a wait with the job as it is when the time is up', async () => {
  const fleet = await openFleet();
  const { id } = await running(fleet);
  const snapshot = await fleet.ledger.jobs.wait(id, { timeoutMs: 50, signal: within() });
  expect(snapshot?.record.status).toBe('running');
});

it.each([new Error('the caller hung up'), undefined])(
  'rejects a wait with the reason of its abort: %s',
  async (reason) => {
    const fleet = await openFleet();
    const { id } = (await fleet.submit()).record;
    const controller = new AbortController();
    const waiting = fleet.ledger.jobs.wait(id, { timeoutMs: 60_000, signal: controller.signal });
    const outcome = waiting.catch((error: unknown) => error);
    onTestFinished(() => controller.abort());
    const subscribed = async () => (await fleet.redis.pubsub('NUMSUB', fleet.keys.jobChannel(id)))[1] === 1;
    await until('it listens', subscribed);
    controller.abort(reason);
    expect(await outcome).toBe(controller.signal.reason);
  },
);

it('yields a preview once to a listener who both reads it and is notified of it', async () => {
  const fleet = await openFleet();
  const { id, claim, promptId } = await running(fleet);
  const preview = (data: string) => claim.preview({ contentType: 'image/jpeg', data });
  const { items, done } = listen(fleet, id);
  await until('it is listened to', () => claim.isListenedTo());
  await until('the snapshot came', () => items.length === 1);
  await preview('one');
  await until('the preview came', () => items.length === 2);
  await preview('one');
  await preview('two');
  await claim.finish(succeeded(id), promptId);
  await done;
  expect(items.map(short)).toEqual(['snapshot running', 'preview one', 'preview two', 'succeeded']);
});

it('yields a preview to current listeners, the latest one to new listeners, and none of an ended job', async () => {
  const fleet = await openFleet();
  const { id, claim, promptId } = await running(fleet);
  const preview = (data: string) => claim.preview({ contentType: 'image/jpeg', data });
  expect(await claim.isListenedTo()).toBe(false);
  await preview('unheard');
  const first = listen(fleet, id);
  await until('it is listened to', () => claim.isListenedTo());
  await until('the snapshot came', () => first.items.length === 1);
  await preview('one');
  await until('the preview came', () => first.items.length === 2);
  const second = listen(fleet, id);
  await until('both came', () => second.items.length === 2);
  expect(await fleet.redis.pttl(fleet.keys.preview(id))).toBeGreaterThan(0);
  await claim.finish(succeeded(id), promptId);
  await Promise.all([first.done, second.done]);
  for (const { items } of [first, second]) {
    expect(items.map(short)).toEqual(['snapshot running', 'preview one', 'succeeded']);
  }
  expect(await fleet.redis.exists(fleet.keys.preview(id))).toBe(0);
  expect(await preview('late')).toBe('superseded');
});
