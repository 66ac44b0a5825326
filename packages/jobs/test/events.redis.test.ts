import { expect, it } from 'vitest';
import { compareEventIds, isEventId } from '../src/index.js';
import { nextClaim, openFleet, startNext, succeeded } from './builders.js';

it('gives a queued job no stream, and creates one when the job leaves queued', async () => {
  const fleet = await openFleet();
  const { id } = (await fleet.submit()).record;
  const key = fleet.keys.events(id);
  const claim = await nextClaim(await fleet.claims());
  await claim.submit('the prompt', 'w1/0');
  expect(await fleet.redis.exists(key)).toBe(0);
  await claim.start('the prompt');
  expect(await fleet.redis.xlen(key)).toBe(1);
});

it('gives no stream to a job that ends without having begun, and dates its last event by its end', async () => {
  const fleet = await openFleet();
  const { id } = (await fleet.submit()).record;
  await fleet.ledger.jobs.cancel(id);
  expect(await fleet.redis.exists(fleet.keys.events(id))).toBe(0);
  const { lastEventId, record } = await fleet.get(id);
  expect(lastEventId).toBe(`${record.finishedAt}-0`);
});

it('includes the id of the newest event in the snapshot', async () => {
  const fleet = await openFleet();
  const { id } = (await fleet.submit()).record;
  const { claim } = await startNext(await fleet.claims());
  await claim.progress({ fraction: 0.1, step: 1, steps: 8, node: 'KSampler' });
  const [newest] = await fleet.redis.xrevrange(fleet.keys.events(id), '+', '-', 'COUNT', 1);
  expect((await fleet.get(id)).lastEventId).toBe(newest?.[0]);
});

it('writes one event per change, and none for unchanged progress', async () => {
  const fleet = await openFleet();
  const { id } = (await fleet.submit()).record;
  const { claim } = await startNext(await fleet.claims());
  const progress = { fraction: 0.1, step: 1, steps: 8, node: 'KSampler' };
  await claim.progress(progress);
  await claim.progress(progress);
  await claim.progress({ ...progress, step: 2 });
  const told = await fleet.events(id);
  expect(told.map((event) => (event as { type: string }).type)).toEqual(['status', 'progress', 'progress']);
});

it('caps the stream of a job that reports progress a thousand times, and keeps the newest events', async () => {
  const fleet = await openFleet();
  const { id } = (await fleet.submit()).record;
  const { claim } = await startNext(await fleet.claims());
  const reports = Array.from({ length: 1000 }, (_, step) =>
    claim.progress({ fraction: step / 1000, step, steps: 1000, node: null }),
  );
  await Promise.all(reports);
  const events = await fleet.events(id);
  expect(events.length).toBeLessThanOrEqual(200);
  expect(events.at(-1)).toMatchObject({ progress: { step: 999 } });
});

it('keeps the stream for a day while the job runs and for ten minutes after its end', async () => {
  const fleet = await openFleet();
  const { id } = (await fleet.submit()).record;
  const { claim, promptId } = await startNext(await fleet.claims());
  const ttl = () => fleet.redis.pttl(fleet.keys.events(id));
  const running = await ttl();
  expect(running).toBeGreaterThan(86_000_000);
  expect(running).toBeLessThanOrEqual(86_400_000);
  await claim.finish(succeeded(id), promptId);
  const ended = await ttl();
  expect(ended).toBeGreaterThan(540_000);
  expect(ended).toBeLessThanOrEqual(600_000);
});

it.each([
  ['1-0', '2-0', -1],
  ['2-0', '1-9', 1],
  ['5-9', '5-10', -1],
  ['1700000000000-3', '1700000000000-3', 0],
  ['0-0', '1700000000000-0', -1],
])('orders event id %s against %s as Redis does', (a, b, sign) => {
  expect(Math.sign(compareEventIds(a, b))).toBe(sign);
});

it.each([
  ['1700000000000-0', true],
  ['0-0', true],
  ['', false],
  ['1700000000000', false],
  ['-1', false],
  ['+', false],
  ['1-2-3', false],
  ['99999999999999999999-0', false],
])('tells whether %j can be an event id: %s', (text, expected) => {
  expect(isEventId(text)).toBe(expected);
});
