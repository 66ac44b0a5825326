import { newId } from '@comfy-fleet/contracts';
import { pictureFile, until } from '@comfy-fleet/testing';
import { beforeEach, describe, expect, it } from 'vitest';
import type { AssetFile, Housekeeper } from '../src/index.js';
import { countCommands, type Fleet, nextClaim, openFleet, succeeded } from './builders.js';
import { openHousekeeper } from './housekeepers.js';

const DIGEST = 'ab'.repeat(32);
const FILE: AssetFile & { filename: string | null } = {
  digest: DIGEST,
  name: `${DIGEST}.mp4`,
  kind: 'video',
  contentType: 'video/mp4',
  bytes: 1000,
  filename: 'a.mp4',
};
const withDigest = (letter: string) => {
  const digest = letter.repeat(64);
  return { ...FILE, digest, name: `${digest}.mp4` };
};
const startingFrom = (sha256: string) => ({
  kind: 'img2img' as const,
  request: { image: pictureFile(sha256) },
});

let fleet: Fleet;
let keeper: Housekeeper;
beforeEach(async () => {
  fleet = await openFleet();
  keeper = openHousekeeper(fleet);
});

/** Whether its last key has deleted the file. */
const isUnowned = async () => (await keeper.sendersOf([DIGEST]))[0] === undefined;

describe('keep', () => {
  it('refuses more assets than fit into the bytes of the key, until some are deleted or expire', async () => {
    const { ledger, redis, keys } = await openFleet({ keyJobBytes: 3 * 6144 });
    const letters = [...'abc'];
    const ids: string[] = [];
    for (const letter of letters) ids.push((await ledger.assets.keep('a', withDigest(letter))).asset.id);
    const more = () => ledger.assets.keep('a', withDigest('d'));
    await expect(more()).rejects.toMatchObject({ code: 'storage_share_exceeded', status: 507 });
    expect(await ledger.assets.keep('a', withDigest('a'))).toMatchObject({ isNew: false });
    expect(await ledger.assets.keep('b', withDigest('d'))).toMatchObject({ isNew: true });
    await ledger.assets.delete('a', ids[0] ?? '');
    expect(await more()).toMatchObject({ isNew: true });
    await redis.del(keys.asset(ids[1] ?? ''));
    expect(await ledger.assets.keep('a', withDigest('e'))).toMatchObject({ isNew: true });
  });

  it('uses at most 6 KiB of Redis for an asset, whatever its name', async () => {
    const { ledger, redis, keys } = await openFleet();
    const count = 50;
    const longest = { name: 'x'.repeat(75), contentType: 'x'.repeat(100), filename: '世'.repeat(255) };
    for (let n = 0; n < count; n += 1) {
      const digest = `${n}`.padStart(64, '0');
      const wanted = { path: `${n}`.padEnd(255, '世'), lifeMs: 604_800_000 };
      await ledger.assets.keep('k'.repeat(64), { ...FILE, ...longest, digest, width: 16_384, height: 16_384 }, wanted);
    }
    const all = await redis.keys(`${keys.prefix}*`);
    const sizes = await Promise.all(all.map((key) => redis.memory('USAGE', key, 'SAMPLES', 0)));
    expect(sizes.reduce<number>((sum, size) => sum + Number(size), 0) / count).toBeLessThan(6144);
  });

  it('refuses the 101st path of a file, because all paths are read when it is sent', async () => {
    const under = (n: number) => fleet.ledger.assets.keep('a', FILE, { path: `${n}.mp4` });
    await Promise.all(Array.from({ length: 100 }, (_, n) => under(n)));
    await expect(under(100)).rejects.toMatchObject({ code: 'storage_share_exceeded' });
    expect(await under(99)).toMatchObject({ isNew: false });
    expect(await fleet.ledger.assets.keep('a', withDigest('d'), { path: '100.mp4' })).toMatchObject({ isNew: true });
  });

  it('gives a file an id, and the same one when its key sends it again', async () => {
    const { assets } = fleet.ledger;
    const first = await assets.keep('a', FILE);
    expect(first).toMatchObject({ isNew: true, asset: FILE });
    const again = await assets.keep('a', { ...FILE, filename: 'b.mp4' });
    expect(again).toMatchObject({ isNew: false, asset: { id: first.asset.id, filename: 'a.mp4' } });
    expect(await assets.find('a', DIGEST)).toMatchObject({ id: first.asset.id });
  });

  it('makes one asset of a file that a key sends many times at once', async () => {
    const kept = await Promise.all(Array.from({ length: 20 }, () => fleet.ledger.assets.keep('a', FILE)));
    expect(new Set(kept.map(({ asset }) => asset.id)).size).toBe(1);
    expect(kept.filter(({ isNew }) => isNew)).toHaveLength(1);
  });

  it('shows a key nothing of what another one sent', async () => {
    const { assets } = fleet.ledger;
    const { asset } = await assets.keep('a', FILE);
    expect(await assets.get('b', asset.id)).toBeUndefined();
    expect(await assets.use('b', asset.id)).toBeUndefined();
    expect(await assets.find('b', DIGEST)).toBeUndefined();
    expect(await assets.delete('b', asset.id)).toBe('absent');
    expect((await assets.list('b', { cursor: undefined, limit: 10 })).assets).toEqual([]);
    expect(await assets.keep('b', FILE)).toMatchObject({ isNew: true });
    expect(await assets.get('a', asset.id)).toMatchObject(FILE);
  });
});

it('lists the assets of a key, newest first, page by page, without expired ones', async () => {
  const { assets } = fleet.ledger;
  const ids = [];
  for (const letter of 'abcdef') ids.unshift((await assets.keep('a', withDigest(letter))).asset.id);
  await fleet.redis.del(fleet.keys.asset(ids[2] as string));
  const first = await assets.list('a', { cursor: undefined, limit: 2 });
  expect(first.assets.map(({ id }) => id)).toEqual(ids.slice(0, 2));
  const second = await assets.list('a', { cursor: first.next, limit: 2 });
  expect(second.assets.map(({ id }) => id)).toEqual(ids.slice(3, 5));
  const third = await assets.list('a', { cursor: second.next, limit: 2 });
  expect(third).toMatchObject({ assets: [{ id: ids[5] }], next: undefined });
});

describe('delete', () => {
  it('does not reveal that open jobs of other keys start from the file', async () => {
    const { assets } = fleet.ledger;
    const { asset } = await assets.keep('a', FILE);
    await fleet.submit({ ...startingFrom(DIGEST), key: 'b' });
    expect(await assets.delete('a', asset.id)).toBe('deleted');
  });

  it('is refused while an open job of the key starts from the file, as soon as the job is accepted', async () => {
    const { assets } = fleet.ledger;
    const { asset } = await assets.keep('a', FILE);
    await fleet.submit({ ...startingFrom(DIGEST), key: 'a' });
    expect(await assets.delete('a', asset.id)).toBe('used');
    const claim = await nextClaim(await fleet.claims());
    expect(await assets.delete('a', asset.id)).toBe('used');
    await claim.finish(succeeded(claim.record.id));
    expect(await fleet.redis.exists(fleet.keys.inputUses(DIGEST))).toBe(0);
    expect(await assets.delete('a', asset.id)).toBe('deleted');
    expect(await assets.get('a', asset.id)).toBeUndefined();
  });

  it('reads only one of the open jobs of the key that start from the file', async () => {
    const { assets } = fleet.ledger;
    const { asset } = await assets.keep('a', FILE);
    for (let n = 0; n < 10; n += 1) await fleet.submit({ ...startingFrom(DIGEST), key: 'a' });
    const count = await countCommands(fleet);
    expect(await assets.delete('a', asset.id)).toBe('used');
    await assets.get('a', asset.id);
    await until('the last command is seen', () => count('hgetall', fleet.keys.asset(asset.id)) > 0);
    expect(count('HMGET', fleet.keys.job(''))).toBe(1);
  });

  it('leaves the file to the housekeeping when nobody else has it, but not after a key sends it again', async () => {
    const { assets } = fleet.ledger;
    const [mine, other] = [await assets.keep('a', FILE), await assets.keep('b', FILE)];
    expect(await assets.delete('a', mine.asset.id)).toBe('deleted');
    expect(await isUnowned()).toBe(false);
    expect(await assets.delete('b', other.asset.id)).toBe('deleted');
    expect(await isUnowned()).toBe(true);
    await assets.keep('c', FILE);
    expect(await isUnowned()).toBe(false);
  });

  it('leaves only keys behind that expire by themselves', async () => {
    const { assets } = fleet.ledger;
    await assets.delete('a', (await assets.keep('a', FILE)).asset.id);
    expect(await keeper.retireInput(DIGEST, 0)).toBe(true);
    const { keys, redis } = fleet;
    expect(await redis.exists(keys.assetsOf('a'), keys.senders(DIGEST))).toBe(0);
  });
});

describe('retireInput', () => {
  it('removes the assets of a file that have been unused for long enough', async () => {
    const { assets } = fleet.ledger;
    const { asset } = await assets.keep('a', FILE);
    expect(await keeper.retireInput(DIGEST, 60_000)).toBe(false);
    await fleet.redis.hset(fleet.keys.asset(asset.id), 'used_at', Date.now() - 120_000);
    expect(await keeper.retireInput(DIGEST, 60_000)).toBe(true);
    expect(await assets.get('a', asset.id)).toBeUndefined();
    expect(await assets.keep('a', FILE)).toMatchObject({ isNew: true });
  });

  it('keeps an asset that an order named since', async () => {
    const { assets } = fleet.ledger;
    const { asset } = await assets.keep('a', FILE);
    await fleet.redis.hset(fleet.keys.asset(asset.id), 'used_at', Date.now() - 120_000);
    expect(await assets.use('a', asset.id)).toMatchObject(FILE);
    expect(await keeper.retireInput(DIGEST, 60_000)).toBe(false);
  });

  it('keeps a file that an open job starts from', async () => {
    await fleet.submit(startingFrom(DIGEST));
    expect(await keeper.retireInput(DIGEST, 0)).toBe(false);
  });

  it('accepts a file without an asset', async () => {
    expect(await keeper.retireInput(DIGEST, 0)).toBe(true);
  });

  it('either keeps an asset that is used at that moment, or reports to its user that it is gone', async () => {
    const { assets } = fleet.ledger;
    for (let round = 0; round < 20; round += 1) {
      const { asset } = await assets.keep('a', FILE);
      await fleet.redis.hset(fleet.keys.asset(asset.id), 'used_at', Date.now() - 120_000);
      const [used, retired] = await Promise.all([assets.use('a', asset.id), keeper.retireInput(DIGEST, 60_000)]);
      expect(retired).toBe(used === undefined);
    }
  });
});

it('gives every Redis key of an asset a lifetime', async () => {
  const { keys, redis, ledger } = fleet;
  const { asset } = await ledger.assets.keep('a', FILE);
  const all = [keys.asset(asset.id), keys.assetsOf('a'), keys.senders(DIGEST)];
  for (const key of all) expect(await redis.pttl(key), key).toBeGreaterThan(3_500_000);
});

it('keeps everything of one key when another key with the same file deletes its asset', async () => {
  const { assets } = fleet.ledger;
  const [mine, other] = [await assets.keep('a', FILE), await assets.keep('b', FILE)];
  await assets.delete('a', mine.asset.id);
  expect(await assets.get('b', other.asset.id)).toMatchObject(FILE);
  expect(await assets.delete('a', newId())).toBe('absent');
});

describe('what a sender specifies for a file', () => {
  const keepAt = (path: string, more: object = {}) => fleet.ledger.assets.keep('a', FILE, { path, ...more });

  it('makes an asset for each path of one content', async () => {
    const { assets } = fleet.ledger;
    const first = await keepAt('a.mp4');
    expect(first).toMatchObject({ isNew: true, isNewContent: true, asset: { path: 'a.mp4' } });
    const second = await keepAt('sub/b.mp4');
    expect(second).toMatchObject({ isNew: true, isNewContent: false, asset: { path: 'sub/b.mp4' } });
    const again = await keepAt('a.mp4');
    expect(again).toMatchObject({ isNew: false, asset: { id: first.asset.id } });
    expect(await assets.keep('b', FILE, { path: 'a.mp4' })).toMatchObject({ isNew: true, isNewContent: true });

    const found = await assets.find('a', DIGEST);
    expect([first.asset.id, second.asset.id]).toContain(found?.id);
    await assets.delete('a', first.asset.id);
    expect(await assets.find('a', DIGEST)).toMatchObject({ id: second.asset.id });
    await assets.delete('a', second.asset.id);
    expect(await assets.find('a', DIGEST)).toBeUndefined();
    expect(await isUnowned()).toBe(false); // b has it
  });

  it('keeps an asset for the requested time, and no use shortens that', async () => {
    const { assets } = fleet.ledger;
    const { asset } = await keepAt('a.mp4', { lifeMs: 60_000 });
    expect(asset.expiresAt - asset.usedAt).toBe(60_000);
    const ttl = await fleet.redis.pttl(fleet.keys.asset(asset.id));
    expect(ttl).toBeGreaterThan(0);
    expect(ttl).toBeLessThanOrEqual(60_000);
    const longer = await keepAt('a.mp4', { lifeMs: 3_600_000 });
    expect(longer.asset.expiresAt).toBeGreaterThan(asset.expiresAt);
    const shorter = await keepAt('a.mp4', { lifeMs: 60_000 });
    expect(shorter.asset.expiresAt).toBe(longer.asset.expiresAt);
    expect((await assets.use('a', asset.id))?.expiresAt).toBe(longer.asset.expiresAt);
    expect(await keeper.retireInput(DIGEST, 0)).toBe(false);
  });
});
