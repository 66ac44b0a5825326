import { newId } from '@comfy-fleet/contracts';
import { claimNext } from '@comfy-fleet/testing';
import { expect, it } from 'vitest';
import type { Claim } from '../src/index.js';
import {
  aFrame,
  aJob,
  claimAs,
  failed,
  nextClaim,
  openFleet,
  publishedEvents,
  startNext,
  succeeded,
} from './builders.js';

const PROGRESS = { fraction: 0.5, step: 4, steps: 8, node: 'KSampler' };
const status = (name: string) => ({ type: 'status', status: name });

it('takes a job from its creation to succeeded, phase by phase', async () => {
  const fleet = await openFleet();
  const created = await fleet.submit();
  const { id } = created.record;
  expect(created).toMatchObject({ ahead: 0, lastEventId: '0-0', record: { status: 'queued', phase: 'waiting' } });

  const claim = await nextClaim(await fleet.claims());
  expect(claim.record).toMatchObject({ id, status: 'queued', phase: 'claimed', claim: 1, worker: 'w1' });
  const promptId = newId();
  expect(await claim.submit(promptId, 'w1/0')).toBe('ok');
  const submitted = { status: 'queued', phase: 'submitted', promptId, instance: 'w1/0', submissions: 1, attempts: 0 };
  expect((await fleet.get(id)).record).toMatchObject({ ...submitted, startedAt: null });
  expect(await claim.start(promptId)).toBe('ok');
  expect((await fleet.get(id)).record).toMatchObject({ status: 'running', phase: 'executing', attempts: 1 });
  expect(await claim.progress(PROGRESS)).toBe('ok');
  expect((await fleet.get(id)).record.progress).toEqual(PROGRESS);
  expect(await claim.collect()).toBe('ok');
  expect((await fleet.get(id)).record).toMatchObject({ status: 'running', phase: 'collecting' });
  expect(await claim.finish(succeeded(id), promptId)).toBe('succeeded');

  const { record } = await fleet.get(id);
  expect(record).toMatchObject({
    status: 'succeeded',
    phase: 'ended',
    outputs: [aFrame(id)],
    error: null,
    attempts: 1,
  });
  expect(record.startedAt).toBeGreaterThanOrEqual(record.createdAt);
  expect(record.finishedAt).toBeGreaterThanOrEqual(record.startedAt as number);
});

it('ends a job as failed with its error when the holder says so', async () => {
  const fleet = await openFleet();
  const { id } = (await fleet.submit()).record;
  const { claim } = await startNext(await fleet.claims());
  const outcome = failed('out_of_memory');
  expect(await claim.finish(outcome)).toBe('failed');
  const error = outcome.status === 'failed' ? outcome.error : null;
  expect((await fleet.get(id)).record).toMatchObject({ status: 'failed', error, outputs: [] });
  expect(await fleet.events(id)).toEqual([status('running'), status('failed')]);
});

it('ends a job whose error quotes half of a surrogate pair', async () => {
  const fleet = await openFleet();
  const { id } = (await fleet.submit()).record;
  const claim = await nextClaim(await fleet.claims());
  const error = { code: 'node_execution_error', detail: 'not a number: \ud83d', nodeId: '3' } as const;
  expect(await claim.finish({ status: 'failed', error })).toBe('failed');
  expect((await fleet.get(id)).record).toMatchObject({ status: 'failed', error });
});

it('ends a job whose start was not seen with both steps, running and succeeded, and counts one attempt', async () => {
  const fleet = await openFleet();
  const { id } = (await fleet.submit()).record;
  const claim = await nextClaim(await fleet.claims());
  const promptId = newId();
  await claim.submit(promptId, 'w1/0');
  expect(await claim.finish(succeeded(id), promptId)).toBe('succeeded');
  expect(await fleet.events(id)).toEqual([status('running'), status('succeeded')]);
  const { record } = await fleet.get(id);
  expect(record).toMatchObject({ status: 'succeeded', submissions: 1, attempts: 1 });
  expect(record.startedAt).not.toBeNull();
});

it('fails a job that never began, without an attempt and a running event', async () => {
  const fleet = await openFleet();
  const { id } = (await fleet.submit()).record;
  const published = await publishedEvents(fleet, id);
  const claim = await nextClaim(await fleet.claims());
  expect(await claim.finish(failed('workflow_rejected'))).toBe('failed');
  expect(await published()).toEqual([status('failed')]);
  expect((await fleet.get(id)).record).toMatchObject({ startedAt: null, submissions: 0, attempts: 0 });
});

it('goes back to queued when the instance lost the running prompt, and counts each submission and attempt', async () => {
  const fleet = await openFleet();
  const { id } = (await fleet.submit()).record;
  const { claim, promptId } = await startNext(await fleet.claims());
  await claim.progress(PROGRESS);
  expect(await claim.lose(promptId, 'lost')).toBe('ok');
  const lost = (await fleet.get(id)).record;
  expect(lost).toMatchObject({ status: 'queued', phase: 'claimed', promptId: null, startedAt: null });
  expect(lost.progress.fraction).toBe(0);

  const second = newId();
  await claim.submit(second, 'w1/1');
  await claim.start(second);
  await claim.finish(succeeded(id), second);
  expect((await fleet.get(id)).record).toMatchObject({ submissions: 2, attempts: 2, claim: 1, instance: 'w1/1' });
  const statuses = (await fleet.events(id)).filter((event) => (event as { type: string }).type === 'status');
  expect(statuses).toEqual(['running', 'queued', 'running', 'succeeded'].map(status));
});

it('counts no attempt and emits nothing when a prompt was lost before it began', async () => {
  const fleet = await openFleet();
  const { id } = (await fleet.submit()).record;
  const claim = await nextClaim(await fleet.claims());
  const first = newId();
  await claim.submit(first, 'w1/0');
  expect(await claim.lose(first, 'lost')).toBe('ok');
  expect((await fleet.get(id)).record).toMatchObject({ status: 'queued', submissions: 1, attempts: 0, promptId: null });
  expect(await fleet.events(id)).toEqual([]);
});

it('keeps the current submission when a late report of an earlier one arrives', async () => {
  const fleet = await openFleet();
  const { id } = (await fleet.submit()).record;
  const { claim, promptId: first } = await startNext(await fleet.claims());
  await claim.lose(first, 'lost');
  const second = newId();
  await claim.submit(second, 'w1/1');
  expect(await claim.start(first)).toBe('ok');
  expect(await claim.lose(first, 'lost')).toBe('ok');
  const kept = { status: 'queued', phase: 'submitted', promptId: second, submissions: 2, attempts: 1 };
  expect((await fleet.get(id)).record).toMatchObject(kept);
});

it('drops progress of a job that is not running, so that a queued job has no events', async () => {
  const fleet = await openFleet();
  const { id } = (await fleet.submit()).record;
  const claim = await nextClaim(await fleet.claims());
  await claim.submit(newId(), 'w1/0');
  expect(await claim.progress(PROGRESS)).toBe('ok');
  expect(await fleet.events(id)).toEqual([]);
  expect((await fleet.get(id)).record.progress.fraction).toBe(0);
});

it('answers a repeat by the same claim like the first time, and counts and emits nothing twice', async () => {
  const fleet = await openFleet();
  const { id } = (await fleet.submit()).record;
  const claim = await nextClaim(await fleet.claims());
  const [first, second] = [newId(), newId()];
  const twice = async <T>(action: () => Promise<T>) => [await action(), await action()];
  expect(await twice(() => claim.submit(first, 'w1/0'))).toEqual(['ok', 'ok']);
  expect(await twice(() => claim.start(first))).toEqual(['ok', 'ok']);
  expect(await twice(() => claim.progress(PROGRESS))).toEqual(['ok', 'ok']);
  expect(await twice(() => claim.lose(first, 'lost'))).toEqual(['ok', 'ok']);
  await claim.submit(second, 'w1/0');
  expect(await twice(() => claim.finish(succeeded(id), second))).toEqual(['succeeded', 'succeeded']);
  expect((await fleet.get(id)).record).toMatchObject({ submissions: 2, attempts: 2, claim: 1 });
  const progress = { type: 'progress', progress: PROGRESS };
  const events = [status('running'), progress, status('queued'), status('running'), status('succeeded')];
  expect(await fleet.events(id)).toEqual(events);
});

it('treats a repeated claim as one claim, and counts no death for it', async () => {
  const fleet = await openFleet();
  const { id } = (await fleet.submit()).record;
  const first = await claimAs(fleet, id, 'w1', 'process:1');
  expect(await claimAs(fleet, id, 'w1', 'process:1')).toEqual(first);
  expect((await fleet.get(id)).record.claim).toBe(1);
  expect(await fleet.redis.hget(fleet.keys.job(id), 'deaths')).toBeNull();
});

const TRANSITIONS: [string, (claim: Claim) => Promise<unknown>][] = [
  ['submit', (claim) => claim.submit(newId(), 'w1/9')],
  ['start', (claim) => claim.start('the prompt')],
  ['progress', (claim) => claim.progress({ ...PROGRESS, fraction: 0.9 })],
  ['collect', (claim) => claim.collect()],
  ['lose', (claim) => claim.lose('the prompt', 'lost')],
  ['look', (claim) => claim.check()],
];

it.each(TRANSITIONS)('refuses %s by a superseded claim and changes nothing', async (_name, transition) => {
  const fleet = await openFleet();
  const { id } = (await fleet.submit()).record;
  const claim = await nextClaim(await fleet.claims());
  await claim.submit('the prompt', 'w1/0');
  await fleet.supersede(id);
  const before = await fleet.redis.hgetall(fleet.keys.job(id));
  expect(await transition(claim)).toBe('superseded');
  expect(await fleet.redis.hgetall(fleet.keys.job(id))).toEqual(before);
  expect(await fleet.events(id)).toEqual([]);
});

it('refuses a claim that was lost with its primary when another one got the same number', async () => {
  const fleet = await openFleet();
  const { id } = (await fleet.submit()).record;
  const claim = await nextClaim(await fleet.claims());
  await fleet.redis.hset(fleet.keys.job(id), 'claim', 0, 'phase', 'waiting');
  await fleet.supersede(id);
  expect((await fleet.get(id)).record.claim).toBe(claim.record.claim);
  expect(await claim.submit(newId(), 'w1/0')).toBe('superseded');
  expect(await claim.finish(succeeded(id))).toBe('superseded');
  expect((await fleet.get(id)).record).toMatchObject({ phase: 'claimed', worker: 'another worker', promptId: null });
});

it('refuses finish by a superseded claim and changes nothing', async () => {
  const fleet = await openFleet();
  const { id } = (await fleet.submit()).record;
  const claim = await nextClaim(await fleet.claims());
  await fleet.supersede(id);
  expect(await claim.finish(succeeded(id))).toBe('superseded');
  expect((await fleet.get(id)).record).toMatchObject({ status: 'queued', phase: 'claimed', worker: 'another worker' });
});

it('does not take the job from its later holder when a superseded claim releases it', async () => {
  const fleet = await openFleet();
  const { id } = (await fleet.submit()).record;
  const claim = await nextClaim(await fleet.claims());
  await fleet.supersede(id);
  expect(await fleet.run('release', id, { claim: `${claim.record.claim}` })).toBe('superseded');
  expect((await fleet.get(id)).record).toMatchObject({ phase: 'claimed', worker: 'another worker' });
});

it.each([...TRANSITIONS, ['release', (claim: Claim) => claim.release(0)] as const])(
  'changes nothing and emits nothing when %s comes after the end',
  async (name, transition) => {
    const fleet = await openFleet();
    const { id } = (await fleet.submit()).record;
    const claim = await nextClaim(await fleet.claims());
    await claim.submit('the prompt', 'w1/0');
    await claim.finish(succeeded(id), 'the prompt');
    const [record, events] = [await fleet.redis.hgetall(fleet.keys.job(id)), await fleet.events(id)];
    const verdict = await transition(claim);
    if (name !== 'release') expect(verdict).toBe('superseded');
    expect(await fleet.redis.hgetall(fleet.keys.job(id))).toEqual(record);
    expect(await fleet.events(id)).toEqual(events);
  },
);

it('answers a different outcome after the end with the actual one', async () => {
  const fleet = await openFleet();
  const { id } = (await fleet.submit()).record;
  const claim = await nextClaim(await fleet.claims());
  await claim.finish(failed());
  expect(await claim.finish(succeeded(id))).toBe('failed');
  expect((await fleet.get(id)).record).toMatchObject({ status: 'failed', outputs: [] });
});

it.each(TRANSITIONS)('refuses %s by a claim that gave the job back', async (_name, transition) => {
  const fleet = await openFleet();
  const { id } = (await fleet.submit()).record;
  const claim = await nextClaim(await fleet.claims());
  await claim.release(60_000);
  expect(await transition(claim)).toBe('superseded');
  const { record } = await fleet.get(id);
  expect(record).toMatchObject({ status: 'queued', phase: 'waiting', promptId: null, worker: null });
});

it('refuses finish by a claim that gave the job back', async () => {
  const fleet = await openFleet();
  const { id } = (await fleet.submit()).record;
  const claim = await nextClaim(await fleet.claims());
  await claim.release(60_000);
  expect(await claim.finish(succeeded(id))).toBe('superseded');
  expect((await fleet.get(id)).record.status).toBe('queued');
});

it('keeps the submission on the record of a job that is given back, for the next holder to adopt', async () => {
  const fleet = await openFleet();
  const { id } = (await fleet.submit()).record;
  const source = await fleet.claims();
  const { claim, promptId } = await startNext(source);
  await claim.release(0);
  const next = await nextClaim(source);
  const adopted = { id, promptId, instance: 'w1/0', status: 'running', claim: 2, submissions: 1, attempts: 1 };
  expect(next.record).toMatchObject(adopted);
  expect(await next.start(promptId)).toBe('ok');
  expect(await next.finish(succeeded(id), promptId)).toBe('succeeded');
  expect((await fleet.get(id)).record).toMatchObject({ submissions: 1, attempts: 1 });
  expect(await fleet.redis.hget(fleet.keys.job(id), 'deaths')).toBeNull();
});

it('answers canceling to every transition except the finish during a cancel', async () => {
  const fleet = await openFleet();
  const { id } = (await fleet.submit()).record;
  const { claim, promptId } = await startNext(await fleet.claims());
  await fleet.ledger.jobs.cancel(id);
  expect(await claim.submit(newId(), 'w1/1')).toBe('canceling');
  expect(await claim.start(promptId)).toBe('canceling');
  expect(await claim.progress(PROGRESS)).toBe('canceling');
  expect(await claim.collect()).toBe('canceling');
  expect(await claim.check()).toBe('canceling');
  expect(await claim.lose(promptId, 'lost')).toBe('canceling');
  expect((await fleet.get(id)).record).toMatchObject({ status: 'canceling', submissions: 1 });
  expect(await fleet.events(id)).toEqual([status('running'), status('canceling')]);
});

it('counts an execution once if it was lost before the finish named it', async () => {
  const fleet = await openFleet();
  const { id } = (await fleet.submit()).record;
  const { claim, promptId } = await startNext(await fleet.claims());
  await fleet.ledger.jobs.cancel(id);
  await claim.lose(promptId, 'died');
  expect(await claim.finish({ status: 'canceled' }, promptId)).toBe('canceled');
  expect((await fleet.get(id)).record).toMatchObject({ attempts: 1, startedAt: null });
});

it('ends as canceled, without pictures, if the holder finishes a canceling job as succeeded', async () => {
  const fleet = await openFleet();
  const { id } = (await fleet.submit()).record;
  const { claim, promptId } = await startNext(await fleet.claims());
  await fleet.ledger.jobs.cancel(id);
  expect(await claim.finish(succeeded(id), promptId)).toBe('canceled');
  expect((await fleet.get(id)).record).toMatchObject({ status: 'canceled', outputs: [], error: null });
  expect(await fleet.events(id)).toEqual(['running', 'canceling', 'canceled'].map(status));
});

it('ends a canceling job that is given back without a submission', async () => {
  const fleet = await openFleet();
  const { id } = (await fleet.submit()).record;
  const claim = await nextClaim(await fleet.claims());
  await fleet.ledger.jobs.cancel(id);
  await claim.release(0);
  expect((await fleet.get(id)).record).toMatchObject({ status: 'canceled', phase: 'ended' });
});

it('leaves a canceling job that is given back with a submission to the next holder', async () => {
  const fleet = await openFleet();
  const { id } = (await fleet.submit()).record;
  const source = await fleet.claims();
  const { claim, promptId } = await startNext(source);
  await fleet.ledger.jobs.cancel(id);
  await claim.release(0);
  const next = await nextClaim(source);
  expect(next.record).toMatchObject({ status: 'canceling', promptId });
  expect(await next.finish({ status: 'canceled' })).toBe('canceled');
});

it("requeues a job that failed through its instance's fault, which does not count against it, with the fault on its record", async () => {
  const fleet = await openFleet();
  const { id, startDeadline } = (await fleet.submit({ startWithinMs: 60_000 })).record;
  const source = await fleet.claims();
  const { claim, promptId } = await startNext(source);
  const faults = [{ instance: 'w1/0', code: 'gpu_failed', print: 'CUDA', suspect: false }] as const;
  expect(await claim.lose(promptId, 'faulty', faults)).toBe('ok');
  // Repeated after a reconnect.
  expect(await claim.lose(promptId, 'faulty', faults)).toBe('ok');
  const { record } = await fleet.get(id);
  expect(record).toMatchObject({
    status: 'queued',
    attempts: 1,
    faultyAttempts: 1,
    submissions: 1,
    promptId: null,
    faults,
  });
  // The execution time does not shorten the time that the job may still wait.
  expect(record.startDeadline).toBeGreaterThanOrEqual(startDeadline);
  expect(await fleet.redis.zscore(fleet.keys.deadlines, id)).toBe(`${record.startDeadline}`);
  await claim.release(0);
  const again = await startNext(source);
  expect(again.claim.record.faults).toEqual(faults);
  expect((await fleet.get(id)).record).toMatchObject({ status: 'running', attempts: 2, faultyAttempts: 1 });
});

it.each([
  ['one affinity queue', () => 'euler'],
  ['affinity queues of their own', (n: number) => `sampler ${n}`],
])('lets the job of a key be claimed at once although those of another one in %s are overdue', async (_, samplerOf) => {
  const fleet = await openFleet();
  const overdue = Array.from({ length: 150 }, (_, n) =>
    aJob({ startWithinMs: -5000, request: { inputs: { sampler: samplerOf(n) } } }),
  );
  await fleet.ledger.orders.create({ jobs: overdue, caller: 'anna' });
  const { id } = (await fleet.submit({ key: 'bert' })).record;
  const claim = await claimNext(await fleet.claims());
  expect(claim?.record.id).toBe(id);
});
