import { until } from '@comfy-fleet/testing';
import { expect, it } from 'vitest';
import { anAnnouncement, nextClaim, openFleet, POOL, startNext, succeeded } from './builders.js';

it('shows a worker after its announcement, as it last announced itself', async () => {
  const fleet = await openFleet();
  expect((await fleet.ledger.fleet.overview()).workers).toEqual([]);
  const [second, first] = [fleet.worker('w2').presence, fleet.worker('w1').presence];
  await second.announce(anAnnouncement({ name: 'w2' }));
  await first.announce(anAnnouncement({ name: 'w1' }));
  const last = anAnnouncement({ name: 'w2', draining: true });
  await second.announce(last);
  const { workers } = await fleet.ledger.fleet.overview();
  expect(workers.map(({ name }) => name)).toEqual(['w1', 'w2']);
  expect(workers[1]).toEqual(last);
});

it('forgets a worker that stops announcing itself after three intervals', async () => {
  const fleet = await openFleet();
  const { presence } = fleet.worker('silent', { announceSeconds: 0.1 });
  await presence.announce(anAnnouncement({ name: 'silent' }));
  await until('it vanished', async () => (await fleet.ledger.fleet.overview()).workers.length === 0);
  expect(await fleet.redis.exists(fleet.keys.workers)).toBe(0);
});

it('forgets a withdrawing worker at once', async () => {
  const fleet = await openFleet();
  const { presence } = fleet.worker('w1');
  await presence.announce(anAnnouncement());
  await presence.withdraw();
  expect((await fleet.ledger.fleet.overview()).workers).toEqual([]);
  expect(await fleet.redis.exists(fleet.keys.workers)).toBe(0);
});

it('counts the open, waiting and running jobs of each pool through their lives', async () => {
  const fleet = await openFleet();
  const pool = async () => (await fleet.ledger.fleet.overview()).pools.find(({ pool: name }) => name === POOL);
  expect(await pool()).toBeUndefined();
  for (let n = 0; n < 4; n++) await fleet.submit();
  await fleet.submit({ pool: 'another' });
  expect(await pool()).toMatchObject({ pool: POOL, open: 4, waiting: 4, running: 0 });
  const source = await fleet.claims();
  const { claim, promptId } = await startNext(source);
  const delayed = await nextClaim(source);
  expect(await pool()).toMatchObject({ pool: POOL, open: 4, waiting: 2, running: 1 });
  await delayed.release(60_000);
  await claim.lose(promptId, 'lost');
  expect(await pool()).toMatchObject({ pool: POOL, open: 4, waiting: 2, running: 0 });
  await claim.submit('p2', 'w1/0');
  await claim.start('p2');
  await fleet.ledger.jobs.cancel(claim.record.id);
  expect((await pool())?.running).toBe(1);
  await claim.finish({ status: 'canceled' });
  expect(await pool()).toMatchObject({ pool: POOL, open: 3, waiting: 2, running: 0 });
  for (let n = 0; n < 2; n++) {
    const next = await nextClaim(source);
    await next.finish(succeeded(next.record.id));
  }
  await fleet.ledger.jobs.cancel(delayed.record.id);
  expect(await pool()).toMatchObject({ pool: POOL, open: 0, waiting: 0, running: 0 });
  expect((await fleet.ledger.fleet.overview()).pools.map(({ pool: name }) => name)).toEqual(['another', POOL]);
});
