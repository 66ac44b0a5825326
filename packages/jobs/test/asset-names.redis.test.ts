import { newId } from '@comfy-fleet/contracts';
import { beforeEach, expect, it } from 'vitest';
import { type Fleet, openFleet } from './builders.js';
import { openHousekeeper } from './housekeepers.js';

let fleet: Fleet;
beforeEach(async () => {
  fleet = await openFleet();
});

/** The id of a new asset of the key, with its own content. */
async function anAsset(key: string, letter: string): Promise<string> {
  const digest = letter.repeat(64);
  const file = { digest, name: `${digest}.png`, kind: 'image', contentType: 'image/png', bytes: 9 } as const;
  return (await fleet.ledger.assets.keep(key, { ...file, filename: null })).asset.id;
}
const name = (id: string, wanted: string, overwrite = false, key = 'anna') =>
  fleet.ledger.assets.name(key, wanted, id, { overwrite });
const named = async (wanted: string, key = 'anna') => (await fleet.ledger.assets.named(key, wanted))?.id;

it('keeps a name for the same content, and numbers it for other content, as ComfyUI does', async () => {
  const [a, b, c] = [await anAsset('anna', 'a'), await anAsset('anna', 'b'), await anAsset('anna', 'c')];
  expect(await name(a, 'sub/x.y.png')).toBe('sub/x.y.png');
  expect(await name(a, 'sub/x.y.png')).toBe('sub/x.y.png');
  expect(await name(b, 'sub/x.y.png')).toBe('sub/x.y (1).png');
  expect(await name(c, 'sub/x.y.png')).toBe('sub/x.y (2).png');
  expect(await name(b, 'sub/x.y.png')).toBe('sub/x.y (1).png');
  expect(await Promise.all(['sub/x.y.png', 'sub/x.y (1).png', 'sub/x.y (2).png'].map((path) => named(path)))).toEqual([
    a,
    b,
    c,
  ]);
  expect(await name(a, '.hidden')).toBe('.hidden');
  expect(await name(b, '.hidden')).toBe('.hidden (1)');
});

it('gives the name to the new content with overwrite', async () => {
  const [a, b] = [await anAsset('anna', 'a'), await anAsset('anna', 'b')];
  await name(a, 'x.png');
  expect(await name(b, 'x.png', true)).toBe('x.png');
  expect(await named('x.png')).toBe(b);
});

it('shows a key no names of other keys, and names no assets of theirs', async () => {
  const a = await anAsset('anna', 'a');
  await name(a, 'x.png');
  expect(await named('x.png', 'bert')).toBeUndefined();
  expect(await fleet.ledger.assets.names('bert', 10)).toEqual([]);
  await expect(name(a, 'y.png', false, 'bert')).rejects.toMatchObject({ code: 'asset_not_found' });
  await expect(name(newId(), 'y.png')).rejects.toMatchObject({ code: 'asset_not_found' });
});

it.each([
  '',
  '/x.png',
  '../x.png',
  'a/../x.png',
  './x.png',
  'a//x.png',
  'a/',
  'a\\x.png',
  'x\n.png',
  'x\u0000',
  '\ud800.png',
  `${'x'.repeat(252)}.png`,
])('refuses %j, which is no plain path', async (wanted) => {
  const a = await anAsset('anna', 'a');
  await expect(name(a, wanted)).rejects.toMatchObject({ code: 'validation_failed' });
});

it('deletes names with their asset, so that they can be given again', async () => {
  const { assets } = fleet.ledger;
  const [a, b] = [await anAsset('anna', 'a'), await anAsset('anna', 'b')];
  await name(a, 'x.png');
  await assets.delete('anna', a);
  expect(await named('x.png')).toBeUndefined();
  expect(await assets.names('anna', 10)).toEqual([]);
  expect(await name(b, 'x.png')).toBe('x.png');
});

it('lists the names given last, newest first', async () => {
  const a = await anAsset('anna', 'a');
  for (const wanted of ['1.png', '2.png', '3.png']) {
    await name(a, wanted);
    await fleet.redis.zadd(fleet.keys.namesByTime('anna'), Number(wanted[0]), wanted);
  }
  expect(await fleet.ledger.assets.names('anna', 2)).toEqual(['3.png', '2.png']);
});

it('keeps names a day longer than the longest-lived asset, and the housekeeping forgets names of deleted assets', async () => {
  const { keys, redis } = fleet;
  const indexes = [keys.assetNames('anna'), keys.namesByTime('anna')];
  await fleet.submit({ key: 'anna' });
  const [a, b] = [await anAsset('anna', 'a'), await anAsset('anna', 'b')];
  for (let n = 0; n < 600; n++) await name(a, `a${n}.png`);
  await name(b, 'b.png');
  for (const key of indexes) {
    expect(await redis.ttl(key)).toBeGreaterThan(86_400);
    await redis.expire(key, 60);
  }
  await fleet.ledger.assets.use('anna', b);
  for (const key of indexes) expect(await redis.ttl(key)).toBeGreaterThan(86_400);
  await redis.del(keys.asset(a));
  expect(await openHousekeeper(fleet).pruneIndexes()).toBe(600);
  expect(await redis.hgetall(keys.assetNames('anna'))).toEqual({ 'b.png': b });
  expect(await fleet.ledger.assets.names('anna', 10)).toEqual(['b.png']);
});

it('forgets the oldest name when there are too many', async () => {
  const { keys, redis } = fleet;
  const a = await anAsset('anna', 'a');
  const many = Array.from({ length: 10_000 }, (_, n) => `${n}.png`);
  await redis.hset(keys.assetNames('anna'), Object.fromEntries(many.map((path) => [path, a])));
  await redis.zadd(keys.namesByTime('anna'), ...many.flatMap((path, n) => [n, path]));
  await name(a, 'new.png');
  expect(await named('0.png')).toBeUndefined();
  expect(await redis.zcard(keys.namesByTime('anna'))).toBe(10_000);
  expect(await redis.hlen(keys.assetNames('anna'))).toBe(10_000);
});

it("puts the asset's id into the name when a thousand names are taken", async () => {
  const [a, b] = [await anAsset('anna', 'a'), await anAsset('anna', 'b')];
  const taken = Array.from({ length: 1000 }, (_, n) => (n === 0 ? 'x.png' : `x (${n}).png`));
  await fleet.redis.hset(fleet.keys.assetNames('anna'), Object.fromEntries(taken.map((path) => [path, a])));
  expect(await name(b, 'x.png')).toBe(`x (${b}).png`);
});
