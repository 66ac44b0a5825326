import { until } from '@comfy-fleet/testing';
import { expect, it } from 'vitest';
import type { Claim, ClaimSource } from '../src/index.js';
import {
  anAnnouncement,
  claimAs,
  itemEnded,
  nextClaim,
  openFleet,
  POOL,
  startNext,
  succeeded,
  within,
} from './builders.js';

async function all(source: ClaimSource): Promise<Claim[]> {
  const claims: Claim[] = [];
  for await (const claim of source.leftBehind()) claims.push(claim);
  return claims;
}

it('gives a starting worker at once the jobs that a process of its name held, with their locks', async () => {
  const fleet = await openFleet();
  await fleet.submit();
  await fleet.submit();
  const { claim, promptId } = await startNext(await fleet.worker('w').claims(POOL));
  const source = await fleet.worker('w').claims(POOL);
  const [left, more] = await all(source);
  expect(more).toBeUndefined();
  expect(left?.record).toMatchObject({ id: claim.record.id, promptId, claim: 2, deaths: 1, status: 'running' });
  expect(await claim.check()).toBe('superseded');
  expect(await left?.finish(succeeded(claim.record.id), promptId)).toBe('succeeded');
  expect(await fleet.redis.scard(fleet.keys.held('w'))).toBe(0);
});

it('takes no job from this process that is just receiving its claim', async () => {
  const fleet = await openFleet();
  const { redis, keys } = fleet;
  const { id } = (await fleet.submit()).record;
  await nextClaim(await fleet.worker('w').claims(POOL));
  expect((await fleet.get(id)).record).toMatchObject({ worker: 'w', claim: 1 });
  const token = (await redis.get(keys.lock(POOL, id))) ?? '';
  const process = token.slice(0, token.lastIndexOf(':'));
  const isClaimedBy = async (by: string) => (await claimAs(fleet, id, 'w', by)).length > 0;
  expect(await isClaimedBy(`${process}:1002`)).toBe(false);
  expect(await redis.get(keys.lock(POOL, id))).toBe(token);
  // Without a lock, the process never held the job or has released it.
  await redis.del(keys.lock(POOL, id));
  expect(await isClaimedBy(`${process}:1003`)).toBe(true);
  expect(await isClaimedBy('another process:1')).toBe(true);
});

it('gives it no job that was finished, released, or taken by another worker since', async () => {
  const fleet = await openFleet();
  for (let n = 0; n < 3; n++) await fleet.submit();
  const source = await fleet.worker('w').claims(POOL);
  const [finished, released, taken] = [await nextClaim(source), await nextClaim(source), await nextClaim(source)];
  await finished.finish(succeeded(finished.record.id));
  await released.release(60_000);
  await fleet.supersede(taken.record.id);
  expect(await all(await fleet.worker('w').claims(POOL))).toEqual([]);
  expect(await fleet.redis.smembers(fleet.keys.held('another worker'))).toEqual([taken.record.id]);
  expect(await fleet.redis.exists(fleet.keys.held('w'))).toBe(0);
});

it.each(['holds', 'gave back'])('gives it its own submission that another worker claimed and %s', async (does) => {
  const fleet = await openFleet();
  const { id } = (await fleet.submit()).record;
  const dead = await fleet.worker('w').claims(POOL);
  const first = await nextClaim(dead);
  await first.submit('11111111-1111-7111-8111-111111111111', 'w/2');
  await first.release(0);
  const stranger = await nextClaim(await fleet.worker('v').claims(POOL));
  if (does === 'gave back') await stranger.release(60_000);
  const source = await fleet.worker('w').claims(POOL);
  const left = await until('it is there', async () => (await all(source))[0]);
  expect(left.record).toMatchObject({ id, claim: 3, instance: 'w/2', promptId: expect.stringContaining('1111') });
  expect(await all(source)).toEqual([]);
  expect(await stranger.check()).toBe('superseded');
  await left.finish(succeeded(id));
  await itemEnded(fleet, id);
  for (const name of ['v', 'w']) expect(await fleet.redis.exists(fleet.keys.held(name))).toBe(0);
});

it('gives it a submission that another worker declared lost only to stop it', async () => {
  const fleet = await openFleet();
  await fleet.submit();
  const first = await nextClaim(await fleet.worker('w').claims(POOL));
  await first.submit('11111111-1111-7111-8111-111111111111', 'w/2');
  await first.release(0);
  const stranger = await nextClaim(await fleet.worker('v').claims(POOL));
  await stranger.lose('11111111-1111-7111-8111-111111111111', 'lost');
  const { prompts } = fleet.worker('w');
  const unwanted = [{ instance: 'w/2', promptId: '11111111-1111-7111-8111-111111111111' }];
  expect(await prompts.read()).toEqual(unwanted);
  await prompts.forget(unwanted);
  expect(await prompts.read()).toEqual([]);
  expect(await all(await fleet.worker('w').claims(POOL))).toEqual([]);
  expect(await stranger.check()).toBe('ok');
});

it("leaves another worker's and another pool's jobs alone", async () => {
  const fleet = await openFleet();
  await fleet.submit({ pool: 'small' });
  const { claim } = await startNext(await fleet.worker('w').claims('small'));
  expect(await all(await fleet.worker('w').claims(POOL))).toEqual([]);
  expect(await all(await fleet.worker('v').claims('small'))).toEqual([]);
  expect(await claim.check()).toBe('ok');
});

it('counts again from zero how long a submission has been without its worker after that worker had it', async () => {
  const fleet = await openFleet();
  const { id } = (await fleet.submit()).record;
  const [own, other] = [await fleet.worker('w').claims(POOL), await fleet.worker('v').claims(POOL)];
  const first = await nextClaim(own);
  await first.submit('11111111-1111-7111-8111-111111111111', 'w/1');
  await first.release(0);
  const stranger = await nextClaim(other);
  expect(stranger.record.orphanedMs).not.toBeNull();
  await fleet.redis.hincrby(fleet.keys.job(id), 'orphaned_at', -60_000);
  await stranger.release(0);
  const again = await nextClaim(own);
  expect(again.record.orphanedMs).toBeNull();
  await again.release(0);
  expect((await nextClaim(other)).record.orphanedMs).toBeLessThan(30_000);
});

it('gives a name to one process at a time: the next one waits until the first has ended or gone silent', async () => {
  const fleet = await openFleet();
  const [first, second, third] = [fleet.worker('w'), fleet.worker('w'), fleet.worker('w', { announceSeconds: 0.1 })];
  await first.presence.takeName(within());
  await first.onAttention(() => {});
  expect(await first.presence.announce(anAnnouncement({ name: 'w', startedAt: 1 }))).toBe(true);
  let taken = false;
  const taking = second.presence.takeName(within()).then(() => (taken = true));
  const start = performance.now();
  await until('it has looked twice', () => performance.now() - start > 450);
  expect(taken).toBe(false);
  await first.presence.withdraw();
  await taking;
  expect(await second.presence.announce(anAnnouncement({ name: 'w', startedAt: 2 }))).toBe(true);
  expect(await first.presence.announce(anAnnouncement({ name: 'w', startedAt: 1 }))).toBe(false);
  await first.presence.withdraw();
  expect((await fleet.ledger.fleet.overview()).workers).toMatchObject([{ name: 'w', startedAt: 2 }]);
  await fleet.redis.pexpire(fleet.keys.lease('worker', 'w'), 50);
  await third.presence.takeName(within());
});
