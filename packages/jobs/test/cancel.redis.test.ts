import { newId } from '@comfy-fleet/contracts';
import { claimNext, until } from '@comfy-fleet/testing';
import { expect, it } from 'vitest';
import { failed, nextClaim, openFleet, POOL, publishedEvents, startNext, succeeded } from './builders.js';
import { openHousekeeper } from './housekeepers.js';

const terminal = ['succeeded', 'failed', 'canceled', 'expired'];

it('ends a waiting job at once, so that nobody ever claims it', async () => {
  const fleet = await openFleet();
  const { id } = (await fleet.submit()).record;
  const later = (await fleet.submit()).record;
  const published = await publishedEvents(fleet, id);
  const canceled = await fleet.ledger.jobs.cancel(id);
  expect(canceled?.record).toMatchObject({ status: 'canceled', phase: 'ended', claim: 0, startedAt: null });
  expect(await fleet.redis.zscore(fleet.keys.prioritized(POOL), id)).toBeNull();
  expect((await nextClaim(await fleet.claims())).record.id).toBe(later.id);
  expect(await published()).toEqual([{ type: 'status', status: 'canceled' }]);
});

it('does not hand out a canceled job whose work item somebody retried', async () => {
  const fleet = await openFleet();
  const { redis, keys } = fleet;
  const { id } = (await fleet.submit()).record;
  await fleet.ledger.jobs.cancel(id);
  await redis.zrem(keys.failed(POOL), id);
  await redis.zadd(keys.prioritized(POOL), 1, id);
  const source = await fleet.claims();
  expect(await claimNext(source)).toBeUndefined();
  expect((await fleet.get(id)).record).toMatchObject({ status: 'canceled', claim: 0 });
});

it('ends a delayed job at once, with its work item', async () => {
  const fleet = await openFleet();
  const { id } = (await fleet.submit()).record;
  const claim = await nextClaim(await fleet.claims());
  await claim.release(60_000);
  await until('the item is delayed', () => fleet.redis.zscore(fleet.keys.delayed(POOL), id));
  expect((await fleet.ledger.jobs.cancel(id))?.record.status).toBe('canceled');
  expect(await fleet.redis.zcard(fleet.keys.delayed(POOL))).toBe(0);
  expect(await fleet.redis.zrange(fleet.keys.failed(POOL), '0', '-1')).toEqual([id]);
});

it('keeps a delayed job canceling while its submission may still exist', async () => {
  const fleet = await openFleet();
  const { id } = (await fleet.submit()).record;
  const claim = await nextClaim(await fleet.claims());
  await claim.submit(newId(), 'w1/0');
  await claim.release(60_000);
  expect((await fleet.ledger.jobs.cancel(id))?.record.status).toBe('canceling');
});

const HELD_PHASES = ['claimed', 'submitted', 'executing', 'collecting'] as const;

it.each(HELD_PHASES)('makes a job that is %s canceling and notifies its worker', async (phase) => {
  const fleet = await openFleet();
  const { id } = (await fleet.submit()).record;
  const [holder, bystander] = [fleet.worker('holder'), fleet.worker('bystander')];
  const told: unknown[] = [];
  // Without an id: the listener was added before its connection was ready, so it may have missed something.
  await holder.onAttention((job) => job !== undefined && told.push(['holder', job]));
  await bystander.onAttention((job) => job !== undefined && told.push(['bystander', job]));
  const claim = await nextClaim(await holder.claims(POOL));
  const promptId = newId();
  const steps = [() => claim.submit(promptId, 'holder/0'), () => claim.start(promptId), () => claim.collect()];
  for (const step of steps.slice(0, HELD_PHASES.indexOf(phase))) await step();
  expect((await fleet.get(id)).record.phase).toBe(phase);

  const canceled = await fleet.ledger.jobs.cancel(id);
  expect(canceled?.record).toMatchObject({ status: 'canceling', phase });
  await until('the holder was notified', () => told.length > 0);
  expect(told).toEqual([['holder', id]]);
  expect(await claim.check()).toBe('canceling');
  expect(await claim.finish({ status: 'canceled' })).toBe('canceled');
  expect((await fleet.get(id)).record).toMatchObject({ status: 'canceled', phase: 'ended' });
});

it.each([succeeded('a'), failed()])('leaves a job as it ended when the cancel comes afterwards', async (outcome) => {
  const fleet = await openFleet();
  const { id } = (await fleet.submit()).record;
  const { claim, promptId } = await startNext(await fleet.claims());
  await claim.finish(outcome, promptId);
  const events = await fleet.events(id);
  expect((await fleet.ledger.jobs.cancel(id))?.record.status).toBe(outcome.status);
  expect(await fleet.events(id)).toEqual(events);
});

it('answers a second cancel like the first and emits nothing more, for waiting and running jobs', async () => {
  const fleet = await openFleet();
  const running = (await fleet.submit()).record.id;
  await startNext(await fleet.claims());
  const waiting = (await fleet.submit()).record.id;
  const published = await publishedEvents(fleet, waiting);
  for (const id of [running, waiting]) {
    const first = await fleet.ledger.jobs.cancel(id);
    expect(await fleet.ledger.jobs.cancel(id)).toEqual(first);
  }
  expect((await fleet.events(running)).length).toBe(2);
  expect((await published()).length).toBe(1);
});

it('answers undefined for a job that does not exist', async () => {
  const fleet = await openFleet();
  const id = newId();
  expect(await fleet.ledger.jobs.cancel(id)).toBeUndefined();
  expect(await fleet.redis.exists(fleet.keys.job(id))).toBe(0);
});

it('agrees with a racing finish about the status, 50 times', async () => {
  const fleet = await openFleet();
  const source = await fleet.claims();
  for (let round = 0; round < 50; round++) {
    const { id } = (await fleet.submit()).record;
    const { claim, promptId } = await startNext(source);
    const cancel = () => fleet.ledger.jobs.cancel(id);
    const finish = () => claim.finish(succeeded(id), promptId);
    const [became] =
      round % 2 === 0
        ? await Promise.all([finish(), cancel()])
        : await Promise.all([cancel(), finish()]).then(([, ended]) => [ended]);
    const { record } = await fleet.get(id);
    expect(record.status).toBe(became);
    expect(record.outputs).toHaveLength(became === 'succeeded' ? 1 : 0);
    const statuses = (await fleet.events(id)).map((event) => (event as { status: string }).status);
    const ends = statuses.filter((name) => terminal.includes(name));
    expect(ends).toEqual([became]);
    expect(statuses.at(-1)).toBe(became);
    expect(statuses.includes('canceling')).toBe(became === 'canceled');
  }
});

it('never runs a waiting job whose cancel won against the claim, 50 times', async () => {
  const fleet = await openFleet();
  const source = await fleet.claims();
  for (let round = 0; round < 50; round++) {
    const { id } = (await fleet.submit()).record;
    const [canceled, claim] = await Promise.all([fleet.ledger.jobs.cancel(id), claimNext(source)]);
    if (canceled?.record.status === 'canceled') {
      expect(claim).toBeUndefined();
    } else {
      expect(canceled?.record.status).toBe('canceling');
      const held = claim ?? (await nextClaim(source));
      expect(await held.check()).toBe('canceling');
      await held.finish({ status: 'canceled' });
    }
    expect((await fleet.get(id)).record.status).toBe('canceled');
  }
});

it('ends the waiting jobs of a key, stops the running ones, and leaves other keys alone', async () => {
  const fleet = await openFleet();
  const keeper = openHousekeeper(fleet);
  const running = (await fleet.submit({ key: 'anna' })).record.id;
  await startNext(await fleet.claims());
  const waiting = (await fleet.submit({ key: 'anna' })).record.id;
  const others = (await fleet.submit({ key: 'bert' })).record.id;
  expect(new Set(await keeper.cancelOpen('anna'))).toEqual(new Set([running, waiting]));
  const status = async (id: string) => (await fleet.get(id)).record.status;
  expect([await status(running), await status(waiting), await status(others)]).toEqual([
    'canceling',
    'canceled',
    'queued',
  ]);
});
