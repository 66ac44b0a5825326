import { beforeEach, expect, it } from 'vitest';
import { type Fleet, openFleet } from './builders.js';

let fleet: Fleet;
beforeEach(async () => {
  fleet = await openFleet();
});

/** Sends content of the key under this path, with a number if other content has the path. */
async function send(letter: string, path: string, { overwrite = false, key = 'anna' } = {}) {
  const digest = letter.repeat(64);
  const file = { digest, name: `${digest}.png`, kind: 'image', contentType: 'image/png', bytes: 9 } as const;
  const kept = await fleet.ledger.assets.keep(key, { ...file, filename: null }, { path, isNumbered: !overwrite });
  return kept.asset;
}
const pathOf = async (...sent: Parameters<typeof send>) => (await send(...sent)).path;
const named = async (path: string, key = 'anna') => (await fleet.ledger.assets.named(key, path))?.id;

it('keeps a path for the same content, and numbers it for other content, as ComfyUI does', async () => {
  const a = await send('a', 'sub/x.y.png');
  expect(a.path).toBe('sub/x.y.png');
  expect(await send('a', 'sub/x.y.png')).toMatchObject({ id: a.id, path: 'sub/x.y.png' });
  const b = await send('b', 'sub/x.y.png');
  expect(b.path).toBe('sub/x.y (1).png');
  const c = await send('c', 'sub/x.y.png');
  expect(c.path).toBe('sub/x.y (2).png');
  expect(await send('b', 'sub/x.y.png')).toMatchObject({ id: b.id, path: 'sub/x.y (1).png' });
  expect(await Promise.all(['sub/x.y.png', 'sub/x.y (1).png', 'sub/x.y (2).png'].map((path) => named(path)))).toEqual([
    a.id,
    b.id,
    c.id,
  ]);
  expect(await pathOf('a', '.hidden')).toBe('.hidden');
  expect(await pathOf('b', '.hidden')).toBe('.hidden (1)');
});

it('gives the path to the new content with overwrite, and the old content does not take it back when it is used', async () => {
  const a = await send('a', 'x.png');
  const b = await send('b', 'x.png', { overwrite: true });
  expect(b.path).toBe('x.png');
  await fleet.ledger.assets.use('anna', a.id);
  expect(await named('x.png')).toBe(b.id);
  await fleet.ledger.assets.delete('anna', a.id);
  expect(await named('x.png')).toBe(b.id);
});

it('shows a key no paths of other keys', async () => {
  await send('a', 'x.png');
  expect(await named('x.png', 'bert')).toBeUndefined();
  expect(await fleet.ledger.assets.names('bert', 10)).toEqual([]);
  expect(await pathOf('b', 'x.png', { key: 'bert' })).toBe('x.png');
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
])('refuses %j, which is no plain path', async (path) => {
  await expect(send('a', path)).rejects.toMatchObject({ code: 'validation_failed' });
  await expect(send('a', path, { overwrite: true })).rejects.toMatchObject({ code: 'validation_failed' });
});

it('frees the path of a deleted asset', async () => {
  const { id } = await send('a', 'x.png');
  await fleet.ledger.assets.delete('anna', id);
  expect(await named('x.png')).toBeUndefined();
  expect(await fleet.ledger.assets.names('anna', 10)).toEqual([]);
  expect(await pathOf('b', 'x.png')).toBe('x.png');
});

it('lists the paths of the newest assets, and finds files in the folder input by the names that graphs use', async () => {
  await send('a', '1.png');
  const { id } = await send('b', 'input/2.png');
  await send('c', '3.png');
  expect(await fleet.ledger.assets.names('anna', 2)).toEqual(['3.png', '2.png']);
  expect(await named('2.png')).toBe(id);
  expect(await named('input/2.png')).toBe(id);
});

it('keeps a path as long as its asset', async () => {
  const { keys, redis, ledger } = fleet;
  const { id } = await send('a', 'x.png');
  const lives = () =>
    Promise.all([keys.asset(id), keys.assetPath('anna', 'x.png')].map((key) => redis.pexpiretime(key)));
  const [asset, path] = await lives();
  expect(path).toBe(asset);
  await redis.hset(keys.asset(id), 'life', 999_999_999);
  await ledger.assets.use('anna', id);
  const [later, pathLater] = await lives();
  expect(later).toBeGreaterThan(Number(asset));
  expect(pathLater).toBe(later);
});

it('puts the digest into the path when a hundred paths are taken, so that the same content keeps its path', async () => {
  const { redis, keys } = fleet;
  const a = await send('a', 'y.png');
  const taken = Array.from({ length: 100 }, (_, n) => (n === 0 ? 'x.png' : `x (${n}).png`));
  await redis.mset(Object.fromEntries(taken.map((path) => [keys.assetPath('anna', path), a.id])));
  const b = await send('b', 'x.png');
  expect(b.path).toBe('x (bbbbbbbbbbbbbbbb).png');
  expect(await send('b', 'x.png')).toMatchObject({ id: b.id, path: b.path });
});
