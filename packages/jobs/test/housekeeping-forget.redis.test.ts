import { newId } from '@comfy-fleet/contracts';
import { describe, expect, it } from 'vitest';
import { type Fleet, nextClaim, type OrderOverrides, openFleet, startNext, succeeded } from './builders.js';
import { deliveryOf } from './deliveries-builders.js';
import { openHousekeeper } from './housekeepers.js';

it('deletes the record, events, delivery and index entries of an ended job, and reports that once', async () => {
  const fleet = await openFleet();
  const { redis, keys } = fleet;
  const { id } = (await fleet.submit({ key: 'k' })).record;
  const source = await fleet.claims();
  const { claim, promptId } = await startNext(source);
  await claim.finish(succeeded(id), promptId);
  const parent = { id: newId(), relation: 'retry' } as const;
  const next = (await fleet.submit({ key: 'k', parent })).record.id;
  const indexed = () => redis.zrange(keys.jobsOf('k'), '0', '-1');
  const keeper = openHousekeeper(fleet);
  const left = () => redis.exists(keys.job(id), keys.events(id), keys.preview(id));
  expect(await left()).toBe(2);
  const ofNext = [`all|${next}|${parent.id}|text2img`, `parent|${parent.id}|${next}`, `workflow|text2img|${next}`];
  expect(await indexed()).toEqual([`all|${id}||text2img`, ...ofNext, `workflow|text2img|${id}`].sort());
  expect(await keeper.forget(id)).toBe('forgotten');
  expect(await left()).toBe(0);
  expect(await indexed()).toEqual(ofNext);
  expect(await fleet.ledger.jobs.get(id)).toBeUndefined();
  expect(await keeper.forget(id)).toBe('absent');
  await fleet.ledger.jobs.cancel(next);
  expect(await keeper.forget(next)).toBe('forgotten');
  expect(await indexed()).toEqual([]);
});

it('changes nothing of a job that is waiting, claimed, running or canceling', async () => {
  const fleet = await openFleet();
  const source = await fleet.claims();
  await fleet.submit();
  const canceling = await startNext(source);
  await fleet.ledger.jobs.cancel(canceling.claim.record.id);
  await fleet.submit();
  const running = await startNext(source);
  await fleet.submit();
  const held = await nextClaim(source);
  const waiting = (await fleet.submit()).record.id;
  const keeper = openHousekeeper(fleet);
  const ids = [canceling.claim.record.id, running.claim.record.id, held.record.id, waiting];
  const before = await Promise.all(ids.map((id) => fleet.redis.hgetall(fleet.keys.job(id))));
  expect(before.map(({ status }) => status)).toEqual(['canceling', 'running', 'queued', 'queued']);
  expect(await Promise.all(ids.map((id) => keeper.forget(id)))).toEqual(['open', 'open', 'open', 'open']);
  expect(await Promise.all(ids.map((id) => fleet.redis.hgetall(fleet.keys.job(id))))).toEqual(before);
});

describe('a job whose webhook', () => {
  const callback = { url: 'https://receiver.example', events: ['job.canceled' as const] };
  const canceled = async (fleet: Fleet, overrides: OrderOverrides = {}) => {
    const { id } = (await fleet.submit({ callback, ...overrides })).record;
    await fleet.ledger.jobs.cancel(id);
    return id;
  };
  const attempted = ({ redis, keys }: Fleet, id: string) => redis.hset(keys.texts(id), 'attempts', '{}');

  it('is queued is kept, also after failed attempts, until it has left the queue', async () => {
    const fleet = await openFleet();
    const keeper = openHousekeeper(fleet);
    const id = await canceled(fleet);
    const { queue } = deliveryOf(fleet);
    await queue.add([{ job: id, key: 'anonymous', host: 'receiver.example', run: '1' }]);
    await attempted(fleet, id);
    expect(await keeper.forget(id)).toBe('open');
    expect((await fleet.get(id)).record.status).toBe('canceled');
    await fleet.redis.del(fleet.keys.webhookPart(`msg_${id}`));
    expect(await keeper.forget(id)).toBe('forgotten');
  });

  it('may still be in the outbox is kept, however long the outbox is not emptied, unless an attempt was made', async () => {
    const fleet = await openFleet();
    const { redis, keys } = fleet;
    const keeper = openHousekeeper(fleet);
    const [tried, untold] = [await canceled(fleet), await canceled(fleet)];
    await attempted(fleet, tried);
    expect([await keeper.forget(tried), await keeper.forget(untold)]).toEqual(['forgotten', 'open']);
    await redis.del(keys.outbox);
    expect(await keeper.forget(untold)).toBe('forgotten');
  });

  it('cannot be in the outbox, because it ended before the oldest entry, is forgotten', async () => {
    const fleet = await openFleet();
    const { redis, keys } = fleet;
    const [entryGone, young] = [await canceled(fleet), await canceled(fleet)];
    await redis.hset(keys.job(entryGone), 'finished_at', Date.now() - 120_000);
    const keeper = openHousekeeper(fleet);
    expect([await keeper.forget(entryGone), await keeper.forget(young)]).toEqual(['forgotten', 'open']);
  });

  it.each([
    ['is to notify of every end', { url: callback.url }, 'open'],
    ['is not to notify of this end', { url: callback.url, events: ['job.failed' as const] }, 'forgotten'],
  ])('%s: %j', async (_which, webhook, verdict) => {
    const fleet = await openFleet();
    const id = await canceled(fleet, { callback: webhook });
    expect(await openHousekeeper(fleet).forget(id)).toBe(verdict);
  });

  it('is undelivered is forgotten nevertheless when its caller deletes it', async () => {
    const fleet = await openFleet();
    const id = await canceled(fleet);
    expect(await fleet.ledger.jobs.forget(id)).toBe(true);
    expect(await fleet.ledger.jobs.get(id)).toBeUndefined();
  });
});

it('forgets a job once when two housekeepers do it at the same time', async () => {
  const fleet = await openFleet();
  const { id } = (await fleet.submit()).record;
  await fleet.ledger.jobs.cancel(id);
  const keepers = [openHousekeeper(fleet), openHousekeeper(fleet)];
  const verdicts = await Promise.all(keepers.map((keeper) => keeper.forget(id)));
  expect(verdicts.sort()).toEqual(['absent', 'forgotten']);
});

it('returns absent for a job that never existed', async () => {
  expect(await openHousekeeper(await openFleet()).forget(newId())).toBe('absent');
});
