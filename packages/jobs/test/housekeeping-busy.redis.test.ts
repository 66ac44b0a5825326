import { claimNext, until } from '@comfy-fleet/testing';
import { expect, it } from 'vitest';
import type { ClaimSource, Housekeeper } from '../src/index.js';
import { openFleet, ownRedis, POOL, succeeded } from './builders.js';
import { items, openHousekeeper } from './housekeepers.js';

const JOBS = 150;

it('lets two housekeepers work at once in a busy ledger: every job is done once, none is lost, nothing is left', async () => {
  const fleet = await openFleet();
  const { redis, keys } = fleet;
  const [created, done, forgotten] = [[] as string[], [] as string[], [] as string[]];
  const create = async (key: string) => {
    for (let n = 0; n < JOBS / 3; n++) {
      const { id } = (await fleet.submit({ key })).record;
      created.push(id);
      // Old enough for the sweep, although it is still open.
      await redis.zadd(keys.open(POOL), 'XX', Date.now() - 10_000, id);
    }
  };
  const work = async (source: ClaimSource) => {
    while (done.length < JOBS) {
      const claim = await claimNext(source);
      if (claim === undefined) continue;
      await claim.submit(claim.record.id, 'w1/0');
      expect(await claim.finish(succeeded(claim.record.id), claim.record.id)).toBe('succeeded');
      done.push(claim.record.id);
    }
  };
  const tidyOnce = async (keeper: Housekeeper) => {
    await keeper.sweep();
    for (const id of [...created]) {
      const ended = done.includes(id);
      const verdict = await keeper.forget(id);
      if (ended) expect(verdict).not.toBe('open');
      if (verdict === 'forgotten') forgotten.push(id);
    }
    await keeper.pruneIndexes();
  };
  const tidy = async (keeper: Housekeeper) => {
    while (done.length < JOBS) await tidyOnce(keeper);
    await tidyOnce(keeper);
  };
  const sources = [await fleet.claims(), await fleet.claims()];
  const keepers = [openHousekeeper(fleet), openHousekeeper(fleet)];
  await Promise.all([...['a', 'b', 'c'].map(create), ...sources.map(work), ...keepers.map(tidy)]);

  expect(created).toHaveLength(JOBS);
  expect(done.sort()).toEqual(created.sort());
  expect(forgotten.sort()).toEqual(created.sort());
  expect(await redis.zcard(keys.open(POOL))).toBe(0);
  expect(await redis.exists(keys.jobsOf('a'), keys.jobsOf('b'), keys.jobsOf('c'))).toBe(0);
  await Promise.all(sources.map((source) => source.close()));
  expect(await items(fleet)).toEqual([]);
  expect(await redis.llen(keys.active(POOL))).toBe(0);
});

it('continues when Redis is back', async () => {
  const server = await ownRedis();
  const fleet = await openFleet({ url: server.url });
  const { id } = (await fleet.submit()).record;
  await fleet.run('cancel', id);
  const keeper = openHousekeeper(fleet);
  await keeper.sweep();
  await server.stop();
  await server.restart();
  // A call that was in flight when the connection broke fails; later ones wait for the next connection.
  expect(await until('the keeper answers', () => keeper.forget(id).catch(() => undefined))).toBe('forgotten');
});

it('rejects waiting calls when it is closed', async () => {
  const server = await ownRedis();
  const fleet = await openFleet({ url: server.url });
  const keeper = openHousekeeper(fleet);
  await keeper.sweep();
  await server.stop();
  const sweep = keeper.sweep().then(
    () => 'done',
    () => 'failed',
  );
  await keeper.close();
  expect(await sweep).toBe('failed');
});
