import { newId } from '@comfy-fleet/contracts';
import { expect, it } from 'vitest';
import type { Claim } from '../src/index.js';
import { anAnnouncement, POOL, within } from './builders.js';
import { openPool, PATIENCE_MS, submit } from './model-pool.js';

it('recalls a job only for an instance that loads no longer than the job would wait', async () => {
  const { fleet, claim, recall, announce } = await openPool();
  await submit(fleet, 'a');
  await announce('w/1', { a: 0 });
  await announce('w/2', { a: 8000 });
  const waiting = (await claim('w/1', { a: 0 })) as Claim;
  await waiting.submit(newId(), 'w/1', Date.now() + 4000);
  expect(await recall('w/2')).toBe(false);
  await fleet.redis.zadd(fleet.keys.behindOthers(POOL), Date.now() + 60_000, waiting.record.id);
  expect(await recall('w/2')).toBe(true);
  await waiting.release(0);
});

it('recalls a job only once within the patience', async () => {
  const { fleet, claim, recall } = await openPool();
  await submit(fleet, 'a');
  const moved = (await claim('w/1', { a: 0 })) as Claim;
  const first = newId();
  await moved.submit(first, 'w/1', Date.now() + 4000);
  expect(await recall('w/2', { a: 0 })).toBe(true);
  await moved.lose(first, 'taken_back');
  await moved.submit(newId(), 'w/1', Date.now() + 4000);
  expect(await recall('w/2', { a: 0 })).toBe(false);
  await fleet.redis.hincrby(fleet.keys.job(moved.record.id), 'moved_at', -PATIENCE_MS);
  expect(await recall('w/2', { a: 0 })).toBe(true);
  await moved.release(0);
});

it('does not recall a job for an instance on which it failed', async () => {
  const { fleet, claim, recall } = await openPool();
  await submit(fleet, 'a');
  const retried = (await claim('w/2', { a: 0 })) as Claim;
  const failed = newId();
  await retried.submit(failed, 'w/2');
  await retried.lose(failed, 'faulty', [{ instance: 'w/2', code: 'gpu_failed', print: 'x', suspect: false }]);
  await retried.submit(newId(), 'w/1', Date.now() + 4000);
  expect(await recall('w/2', { a: 0 })).toBe(false);
  expect(await recall('w/3', { a: 0 })).toBe(true);
  await retried.release(0);
});

it("knows how long a job still waits behind another one, whatever its host's clock says", async () => {
  const { fleet, recall } = await openPool();
  const now = () => Date.now() + 3_600_000;
  const ahead = fleet.worker('v', { now });
  await ahead.presence.takeName(within());
  await ahead.presence.announce(anAnnouncement({ name: 'v' }));
  const source = await ahead.claims(POOL);
  await submit(fleet, 'a');
  const waiting = (await source.nextFor({ name: 'v/1', fit: () => 0 })) as Claim;
  await waiting.submit(newId(), 'v/1', now() + 4000);
  expect(await recall('w/2', { a: 60_000 })).toBe(false);
  await waiting.release(0);
});

it('asks an instance about a job behind another one before it recalls that', async () => {
  const { fleet, claim, recall } = await openPool();
  await submit(fleet, 'a');
  const waiting = (await claim('w/1', { a: 0 })) as Claim;
  await waiting.submit(newId(), 'w/1', Date.now() + 4000);
  expect(await recall('w/2', { b: 0 })).toBe(false);
  expect(await recall('w/3', { a: 60_000 })).toBe(false);
  expect(await recall('w/4', { a: 0 })).toBe(true);
  await waiting.release(0);
});
