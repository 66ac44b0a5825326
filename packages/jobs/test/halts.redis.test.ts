import { claimNext, until } from '@comfy-fleet/testing';
import { expect, it } from 'vitest';
import { anAnnouncement, loseLock, nextClaim, openFleet, POOL, startNext, succeeded } from './builders.js';
import { openHousekeeper } from './housekeepers.js';

const FLEET = { kind: 'fleet' } as const;

it('shows what is paused or drained, since when and by whom; a repeat changes nothing, and resuming ends it', async () => {
  const { ledger } = await openFleet();
  const before = Date.now();
  await ledger.fleet.halt(FLEET, 'ada');
  await ledger.fleet.halt({ kind: 'pool', name: 'video' }, 'ada');
  await ledger.fleet.halt({ kind: 'instance', name: 'gpu-1/2' }, 'bob');
  const first = await ledger.fleet.halts();
  expect(first.fleet?.by).toBe('ada');
  expect(first.fleet?.since).toBeGreaterThanOrEqual(before);
  expect(first.fleet?.since).toBeLessThanOrEqual(Date.now());
  expect([...first.pools.keys()]).toEqual(['video']);
  expect(first.instances.get('gpu-1/2')?.by).toBe('bob');
  await ledger.fleet.halt(FLEET, 'bob');
  expect(await ledger.fleet.halts()).toEqual(first);
  await ledger.fleet.resume(FLEET);
  await ledger.fleet.resume({ kind: 'pool', name: 'never halted' });
  await ledger.fleet.resume({ kind: 'instance', name: 'gpu-1/2' });
  const last = await ledger.fleet.halts();
  expect([last.fleet, last.pools.size, last.instances.size]).toEqual([undefined, 1, 0]);
});

it('keeps pauses and drains forever, and nothing after everything is resumed', async () => {
  const { ledger, redis, keys } = await openFleet();
  await ledger.fleet.halt(FLEET, 'ada');
  expect(await redis.pttl(keys.halts)).toBe(-1);
  await ledger.fleet.resume(FLEET);
  expect(await redis.exists(keys.halts)).toBe(0);
});

it.each([
  ['the fleet', FLEET],
  ['its pool', { kind: 'pool', name: POOL } as const],
])('lets nobody claim a job while %s is paused, and hands all of them out after that', async (_name, target) => {
  const fleet = await openFleet();
  const source = await fleet.claims();
  const ids: string[] = [];
  for (let n = 0; n < 3; n++) ids.push((await fleet.submit()).record.id);
  await fleet.ledger.fleet.halt(target, 'ada');
  for (let n = 0; n < 5; n++) expect(await claimNext(source)).toBeUndefined();
  expect((await fleet.get(ids[0] as string)).record).toMatchObject({ status: 'queued', phase: 'waiting', claim: 0 });
  await fleet.ledger.fleet.resume(target);
  const claimed: string[] = [];
  for (let n = 0; n < 3; n++) {
    const claim = await nextClaim(source);
    claimed.push(claim.record.id);
    await claim.finish(succeeded(claim.record.id));
  }
  expect(claimed.sort()).toEqual(ids.sort());
});

it('continues with another pool while one is paused', async () => {
  const fleet = await openFleet();
  await fleet.ledger.fleet.halt({ kind: 'pool', name: 'another' }, 'ada');
  const { id } = (await fleet.submit()).record;
  expect((await nextClaim(await fleet.claims())).record.id).toBe(id);
});

it('hands out during a pause what a ComfyUI may still have and what must be stopped', async () => {
  const fleet = await openFleet();
  const source = await fleet.claims();
  await fleet.submit();
  const { claim, promptId } = await startNext(source);
  await fleet.ledger.fleet.halt(FLEET, 'ada');
  await claim.release(0);
  const again = await nextClaim(source);
  expect(again.record).toMatchObject({ id: claim.record.id, promptId });
  await fleet.ledger.jobs.cancel(again.record.id);
  await again.release(0);
  expect((await nextClaim(source)).record.status).toBe('canceling');
});

it("holds back a dead worker's unsubmitted job while its pool is paused, and hands out the submitted one behind it", async () => {
  const fleet = await openFleet();
  const dead = fleet.worker('dead', { stalledCheckMs: 200 });
  const dying = await dead.claims(POOL);
  const [first, second] = [(await fleet.submit()).record.id, (await fleet.submit()).record.id];
  expect((await nextClaim(dying)).record.id).toBe(first);
  expect((await startNext(dying)).claim.record.id).toBe(second);
  await fleet.ledger.fleet.halt(FLEET, 'ada');
  await dead.close();
  for (const id of [first, second]) await loseLock(fleet, id);
  const source = await fleet.claims(POOL, { stalledCheckMs: 200 });
  expect((await nextClaim(source)).record.id).toBe(second);
  expect(await claimNext(source)).toBeUndefined();
  await fleet.ledger.fleet.resume(FLEET);
  expect((await nextClaim(source)).record.id).toBe(first);
});

it('expires a job of a paused pool at its start deadline', async () => {
  const fleet = await openFleet();
  const { id } = (await fleet.submit()).record;
  await fleet.ledger.fleet.halt(FLEET, 'ada');
  await fleet.redis.hset(fleet.keys.job(id), 'start_deadline', 1);
  await fleet.redis.zadd(fleet.keys.deadlines, 1, id);
  await openHousekeeper(fleet).sweep();
  expect((await fleet.get(id)).record.status).toBe('expired');
});

it('notifies workers at once of pauses, drains and resumes', async () => {
  const fleet = await openFleet();
  const worker = fleet.worker('w1');
  let heard = 0;
  await worker.halts.onChange(() => {
    heard += 1;
  });
  const toldOf = async (change: () => Promise<unknown>) => {
    const before = heard;
    await change();
    await until('it heard of it', () => heard > before);
  };
  await until('Redis answers the worker', async () => (await worker.halts.read()).instances.size === 0);
  await toldOf(() => fleet.ledger.fleet.halt({ kind: 'instance', name: 'w1/1' }, 'ada'));
  expect((await worker.halts.read()).instances.has('w1/1')).toBe(true);
  await toldOf(() => fleet.ledger.fleet.resume({ kind: 'instance', name: 'w1/1' }));
});

it('does not count drained instances of a pool, and calls a pool paused if it or the fleet is', async () => {
  const fleet = await openFleet();
  await fleet.worker('w1').presence.announce(anAnnouncement());
  const seen = async () => {
    const { pools } = await fleet.ledger.fleet.overview();
    return pools.map(({ pool, instances, paused }) => ({ pool, instances, paused }));
  };
  expect(await seen()).toEqual([{ pool: POOL, instances: 1, paused: false }]);
  await fleet.ledger.fleet.halt({ kind: 'instance', name: 'w1/0' }, 'ada');
  expect(await seen()).toEqual([{ pool: POOL, instances: 0, paused: false }]);
  await fleet.ledger.fleet.resume({ kind: 'instance', name: 'w1/0' });
  await fleet.ledger.fleet.halt({ kind: 'pool', name: POOL }, 'ada');
  expect(await seen()).toEqual([{ pool: POOL, instances: 1, paused: true }]);
});
