import { newId } from '@comfy-fleet/contracts';
import { expect, it } from 'vitest';
import { anOrder, failed, JOB_TTL_SECONDS, nextClaim, openFleet, succeeded } from './builders.js';
import { openHousekeeper } from './housekeepers.js';

const ALIAS = '7b1f7f3e-9f53-4f0b-8f6a-0d5cf8b3c001';
const ORIGIN = JSON.stringify({ extraData: { extra_pnginfo: { workflow: { id: 'x' } } } });

it('finds a job by alias or id for its own key only', async () => {
  const fleet = await openFleet();
  const { id } = (await fleet.submit({ key: 'anna', alias: ALIAS, client: 'a tab' })).record;
  for (const name of [ALIAS, id]) {
    expect((await fleet.ledger.jobs.byAlias('anna', name))?.record).toMatchObject({
      id,
      alias: ALIAS,
      client: 'a tab',
    });
    expect(await fleet.ledger.jobs.byAlias('bert', name)).toBeUndefined();
  }
  expect(await fleet.ledger.jobs.byAlias('anna', newId())).toBeUndefined();
});

it('creates no second job with the alias or id of an existing one of the key, and says which that is', async () => {
  const fleet = await openFleet();
  const first = await fleet.ledger.orders.create(anOrder({ key: 'anna', alias: ALIAS }));
  expect(first.aliased).toBe(false);
  const [id] = first.ids as [string];
  for (const alias of [ALIAS, id]) {
    const again = await fleet.ledger.orders.create(anOrder({ key: 'anna', alias }));
    expect(again).toMatchObject({ aliased: true, replayed: false, ids: [id], only: { record: { id } } });
  }
  expect(await fleet.ledger.orders.create(anOrder({ key: 'bert', alias: ALIAS }))).toMatchObject({ aliased: false });
  expect((await fleet.ledger.jobs.byAlias('bert', ALIAS))?.record.id).not.toBe(id);
});

it('creates one job when many orders use one alias at the same time', async () => {
  const fleet = await openFleet();
  const orders = Array.from({ length: 60 }, () => fleet.ledger.orders.create(anOrder({ key: 'anna', alias: ALIAS })));
  const all = await Promise.all(orders);
  expect(all.filter(({ aliased }) => !aliased)).toHaveLength(1);
  expect(new Set(all.map(({ ids }) => ids[0])).size).toBe(1);
});

it('treats an order that is sent twice after a lost connection as the same one, not as another with its alias', async () => {
  const fleet = await openFleet();
  const order = anOrder({ alias: ALIAS });
  const first = await fleet.ledger.orders.create(order);
  expect(await fleet.ledger.orders.create(order)).toEqual(first);
});

it('keeps alias and origin as long as the record: forever while the job is open, then as the setting says', async () => {
  const fleet = await openFleet();
  const { keys, redis, ledger } = fleet;
  const { id } = (await fleet.submit({ key: 'anna', alias: ALIAS, origin: ORIGIN })).record;
  const companions = [keys.alias('anna', ALIAS), keys.texts(id)];
  for (const key of companions) expect(await redis.pttl(key)).toBe(-1);
  const claim = await nextClaim(await fleet.claims());
  expect(claim.record).toMatchObject({ hasOrigin: true, alias: ALIAS });
  expect(await claim.origin()).toBe(ORIGIN);
  await claim.finish(succeeded(id));
  expect(await ledger.jobs.origin(id)).toBe(ORIGIN);
  for (const key of companions) {
    expect(await redis.pttl(key)).toBeGreaterThan((JOB_TTL_SECONDS - 60) * 1000);
    expect(await redis.pttl(key)).toBeLessThanOrEqual(JOB_TTL_SECONDS * 1000);
  }
});

it('keeps them while the webhook is undelivered, and no longer than the record afterwards', async () => {
  const fleet = await openFleet();
  const { keys, redis } = fleet;
  const callback = { url: 'https://example.com' };
  const { id } = (await fleet.submit({ key: 'anna', alias: ALIAS, origin: ORIGIN, callback })).record;
  await (await nextClaim(await fleet.claims())).finish(failed());
  const companions = [keys.alias('anna', ALIAS), keys.texts(id)];
  for (const key of companions) expect(await redis.pttl(key)).toBeGreaterThan(2 * JOB_TTL_SECONDS * 1000);
  await fleet.run('outlive', id);
  for (const key of companions) expect(await redis.pttl(key)).toBeLessThanOrEqual(JOB_TTL_SECONDS * 1000);
});

it('forgets them with the job, so that the alias can be used again', async () => {
  const fleet = await openFleet();
  const order = { key: 'anna', alias: ALIAS, origin: ORIGIN };
  const { id } = (await fleet.submit(order)).record;
  await fleet.ledger.jobs.cancel(id);
  expect(await openHousekeeper(fleet).forget(id)).toBe('forgotten');
  expect(await fleet.redis.exists(fleet.keys.alias('anna', ALIAS), fleet.keys.texts(id))).toBe(0);
  expect(await fleet.ledger.jobs.origin(id)).toBeUndefined();
  const again = (await fleet.submit(order)).record.id;
  // A record that went by itself frees its alias too.
  await fleet.redis.del(fleet.keys.job(again));
  expect((await fleet.ledger.orders.create(anOrder(order))).aliased).toBe(false);
});

it('lets the alias of a hidden job be used again, and leaves it to the new job when the first one is forgotten', async () => {
  const fleet = await openFleet();
  const { jobs, orders } = fleet.ledger;
  const order = { key: 'anna', alias: ALIAS, origin: ORIGIN };
  const { id } = (await fleet.submit(order)).record;
  await jobs.cancel(id);
  expect((await orders.create(anOrder(order))).ids).toEqual([id]);
  await jobs.hide('anna', [id]);
  const { aliased, ids } = await orders.create(anOrder(order));
  expect([aliased, ids[0] === id]).toEqual([false, false]);
  expect((await orders.create(anOrder(order))).ids).toEqual(ids);
  expect(await openHousekeeper(fleet).forget(id)).toBe('forgotten');
  expect((await jobs.byAlias('anna', ALIAS))?.record.id).toBe(ids[0]);
  expect(await fleet.redis.pttl(fleet.keys.alias('anna', ALIAS))).toBe(-1);
});

it('stores nothing extra for a job without them', async () => {
  const fleet = await openFleet();
  const { id } = (await fleet.submit()).record;
  const fields = Object.keys(await fleet.redis.hgetall(fleet.keys.job(id)));
  expect(fields).not.toEqual(expect.arrayContaining([expect.stringMatching(/^(alias|client|origin)$/)]));
});
