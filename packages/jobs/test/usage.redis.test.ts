import { expect, it } from 'vitest';
import { dayOf } from '../src/callers/accounts.js';
import { openFleet } from './builders.js';

const NOTHING = { jobs: 0, succeeded: 0, failed: 0, canceled: 0, expired: 0, pictures: 0, gpuMs: 0 };
const dateOf = (day: number) => new Date(day * 86_400_000).toISOString().slice(0, 10);

it('tells what a key used day by day, the latest first, and zeros of days without', async () => {
  const { ledger, redis, keys } = await openFleet();
  const today = dayOf(Date.now());
  const busy = { jobs: '3', succeeded: '2', failed: '1', pictures: '7', gpu_ms: '5000000000' };
  await redis.hset(keys.usage('anna', today - 1), { jobs: 1 });
  await redis.hset(keys.usage('anna', today - 88), busy);
  await redis.hset(keys.usage('bert', today - 2), { jobs: 9 });
  const used = await ledger.accounts.usage('anna', 90);
  expect(used).toHaveLength(90);
  expect(used[0]).toEqual({ ...NOTHING, day: expect.any(String) });
  expect(used.filter(({ jobs }) => jobs > 0)).toEqual([
    { ...NOTHING, day: dateOf(today - 1), jobs: 1 },
    { ...NOTHING, day: dateOf(today - 88), jobs: 3, succeeded: 2, failed: 1, pictures: 7, gpuMs: 5_000_000_000 },
  ]);
});
