import { until } from '@comfy-fleet/testing';
import { expect, it } from 'vitest';
import { checkSchema, migrate } from '../src/schema.js';
import { openFleet, quietLog } from './builders.js';

const none = async () => {};

it('writes the schema number at the first start, and accepts it at the next', async () => {
  const { redis, keys, settings } = await openFleet();
  const mismatches: Error[] = [];
  const check = () => checkSchema(settings, { onMismatch: (error) => mismatches.push(error), log: quietLog() });
  await check();
  expect(await redis.get(keys.schema)).toBe('1');
  await check();
  expect(mismatches).toEqual([]);
});

it('reports data of a newer schema, names both numbers, and changes nothing', async () => {
  const { redis, keys, settings } = await openFleet();
  await redis.set(keys.schema, 7);
  const mismatches: Error[] = [];
  await checkSchema(settings, { onMismatch: (error) => mismatches.push(error), log: quietLog() });
  expect(mismatches.map(({ message }) => message)).toEqual([expect.stringMatching(/has schema 7, and .* schema 1:/)]);
  expect(await redis.get(keys.schema)).toBe('7');
});

it('runs the migrations that the data lacks, in their order and once', async () => {
  const { redis, keys } = await openFleet();
  await redis.set(keys.schema, 2);
  const ran: number[] = [];
  const migrations = [1, 2, 3].map((number) => async () => void ran.push(number));
  expect(await migrate(redis, keys, migrations)).toBeUndefined();
  expect(await migrate(redis, keys, migrations)).toBeUndefined();
  expect([ran, await redis.get(keys.schema)]).toEqual([[2, 3], '4']);
});

it('keeps the old number if a migration fails, so that the next start repeats it', async () => {
  const { redis, keys } = await openFleet();
  await redis.set(keys.schema, 1);
  await expect(migrate(redis, keys, [none, () => Promise.reject(new Error('no'))])).rejects.toThrow('no');
  expect(await redis.get(keys.schema)).toBe('1');
  await until('it is repeated', async () => (await migrate(redis, keys, [none, none])) === undefined);
  expect(await redis.get(keys.schema)).toBe('3');
});
