import { newId } from '@comfy-fleet/contracts';
import { expect, it } from 'vitest';
import { nextClaim, openFleet, startNext, succeeded } from './builders.js';
import { openKeeper } from './keepers.js';

it('takes away the record, the events, the deliveries and the index entry of an ended job, and says so once', async () => {
  const fleet = await openFleet();
  const { redis, keys } = fleet;
  const { id } = (await fleet.submit({ key: 'k' })).record;
  const source = await fleet.claims();
  const { claim, promptId } = await startNext(source);
  await claim.finish(succeeded(id), promptId);
  const next = (await fleet.submit({ key: 'k' })).record.id;
  await redis.rpush(keys.attempts(id), '{}');
  const keeper = openKeeper(fleet);
  const left = () => redis.exists(keys.job(id), keys.events(id), keys.attempts(id), keys.preview(id));
  expect(await left()).toBe(3);
  expect(await redis.zrange(keys.jobsOf('k'), '0', '-1')).toEqual([id, next]);
  expect(await keeper.forget(id)).toBe('forgotten');
  expect(await left()).toBe(0);
  expect(await redis.zrange(keys.jobsOf('k'), '0', '-1')).toEqual([next]);
  expect(await fleet.ledger.get(id)).toBeUndefined();
  expect(await keeper.forget(id)).toBe('absent');
});

it('changes nothing of a job that waits, is held, runs or is being canceled', async () => {
  const fleet = await openFleet();
  const source = await fleet.claims();
  await fleet.submit();
  const canceling = await startNext(source);
  await fleet.ledger.cancel(canceling.claim.record.id);
  await fleet.submit();
  const running = await startNext(source);
  await fleet.submit();
  const held = await nextClaim(source);
  const waiting = (await fleet.submit()).record.id;
  const keeper = openKeeper(fleet);
  const ids = [canceling.claim.record.id, running.claim.record.id, held.record.id, waiting];
  const before = await Promise.all(ids.map((id) => fleet.redis.hgetall(fleet.keys.job(id))));
  expect(before.map(({ status }) => status)).toEqual(['canceling', 'running', 'queued', 'queued']);
  expect(await Promise.all(ids.map((id) => keeper.forget(id)))).toEqual(['open', 'open', 'open', 'open']);
  expect(await Promise.all(ids.map((id) => fleet.redis.hgetall(fleet.keys.job(id))))).toEqual(before);
});

it('forgets a job once when two keepers do it at the same time', async () => {
  const fleet = await openFleet();
  const { id } = (await fleet.submit()).record;
  await fleet.ledger.cancel(id);
  const keepers = [openKeeper(fleet), openKeeper(fleet)];
  const verdicts = await Promise.all(keepers.map((keeper) => keeper.forget(id)));
  expect(verdicts.sort()).toEqual(['absent', 'forgotten']);
});

it('answers absent for a job that never was', async () => {
  expect(await openKeeper(await openFleet()).forget(newId())).toBe('absent');
});
