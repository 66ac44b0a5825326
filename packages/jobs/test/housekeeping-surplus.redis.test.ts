import { newId } from '@comfy-fleet/contracts';
import { expect, it } from 'vitest';
import type { Housekeeper } from '../src/index.js';
import { aJob, type Fleet, openFleet } from './builders.js';
import { openHousekeeper } from './housekeepers.js';

/** Expired jobs of a key, oldest first. */
async function expired(fleet: Fleet, keeper: Housekeeper, key: string, count: number, callback?: { url: string }) {
  const jobs = Array.from({ length: count }, () => aJob({ startWithinMs: -1000, ...(callback && { callback }) }));
  const { ids } = await fleet.ledger.orders.create({ caller: key, jobs });
  await keeper.sweep();
  return [...ids];
}

async function surplus(keeper: Housekeeper, mostKept: number): Promise<string[]> {
  const gone: string[] = [];
  for await (const ids of keeper.forgetSurplus({ jobs: mostKept, bytes: Number.MAX_SAFE_INTEGER })) gone.push(...ids);
  return gone;
}

const indexOf = async ({ redis, keys }: Fleet, key: string) =>
  (await redis.zrangebylex(keys.jobsOf(key), '[all|', '(all}')).map((member) => member.split('|')[1]);

it('forgets the oldest ended jobs of each key with too many, over several pages, and yields their ids', async () => {
  const fleet = await openFleet();
  const keeper = openHousekeeper(fleet);
  const many = await expired(fleet, keeper, 'anna', 500);
  const few = await expired(fleet, keeper, 'ben', 50);
  expect(await surplus(keeper, 50)).toEqual(many.slice(0, 450));
  expect(await indexOf(fleet, 'anna')).toEqual(many.slice(450));
  expect(await indexOf(fleet, 'ben')).toEqual(few);
  expect(await fleet.redis.exists(...many.map((id) => fleet.keys.job(id)))).toBe(50);
  expect(await surplus(keeper, 50)).toEqual([]);
});

it('neither forgets nor counts waiting jobs, and removes entries without a record from the index', async () => {
  const fleet = await openFleet();
  const { redis, keys } = fleet;
  const keeper = openHousekeeper(fleet);
  const gone = newId();
  await redis.zadd(keys.jobsOf('anna'), 0, `all|${gone}||text2img`);
  const { ids: waiting } = await fleet.ledger.orders.create({ caller: 'anna', jobs: [aJob(), aJob(), aJob()] });
  const [first, ...rest] = await expired(fleet, keeper, 'anna', 4);
  expect(await surplus(keeper, 3)).toEqual([first]);
  expect(await indexOf(fleet, 'anna')).toEqual([...waiting, ...rest]);
});

it('keeps jobs with an undelivered webhook until there are twice as many jobs as allowed', async () => {
  const fleet = await openFleet();
  const keeper = openHousekeeper(fleet);
  const untold = await expired(fleet, keeper, 'anna', 6, { url: 'https://receiver.example' });
  expect(await surplus(keeper, 3)).toEqual([]);
  expect(await surplus(keeper, 2)).toEqual(untold.slice(0, 4));
});
