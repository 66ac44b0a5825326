import { catalogueWith } from '@comfy-fleet/testing';
import { describe, expect, it } from 'vitest';
import { createAbilityRegistry } from '../src/workers/abilities.js';
import { openFleet, POOL } from './builders.js';

const DAY_MS = 86_400_000;
const FOX = { Loader: { name: ['fox'] }, Save: {} };
const BEAR = { Loader: { name: ['bear'] }, Draw: {} };

/** Publishers and readers of the same Redis. The readers have read nothing yet. */
async function open() {
  const { redis, keys, ledger } = await openFleet();
  const writer = createAbilityRegistry(redis, keys);
  const publish = (instance: string, catalogue = catalogueWith(FOX), seenAt = Date.now()) =>
    writer.publish([POOL], { instance, seenAt, ...catalogue });
  return { redis, keys, publish, fleet: ledger.fleet, reader: () => createAbilityRegistry(redis, keys) };
}

const described = (...options: string[]) => ({ input: { required: { name: [options, {}] } }, name: 'Loader' });

describe('the abilities of instances', () => {
  it('are returned for the requested classes, as one object for instances that are alike', async () => {
    const { publish, reader } = await open();
    await publish('w/1');
    await publish('w/2');
    await publish('w/3', catalogueWith(BEAR));
    const { of } = reader();
    const known = new Map((await of(POOL, ['Loader', 'Draw'])).map(({ instance, abilities }) => [instance, abilities]));
    expect(Object.fromEntries(known)).toEqual({
      'w/1': { Loader: { name: ['fox'] } },
      'w/2': { Loader: { name: ['fox'] } },
      'w/3': { Loader: { name: ['bear'] }, Draw: {} },
    });
    expect(known.get('w/1')).toBe(known.get('w/2'));
    const [again] = await of(POOL, ['Loader', 'Draw']);
    expect([...known.values()]).toContain(again?.abilities);
    expect((await of(POOL, []))[0]?.abilities).toEqual({});
  });

  it('are joined to one description, the same object until an instance changes', async () => {
    const { publish, reader } = await open();
    await publish('w/1');
    await publish('w/2', catalogueWith(BEAR));
    const { catalogue } = reader();
    const union = await catalogue(POOL, ['Loader']);
    expect(union).toMatchObject({
      Loader: { input: { required: { name: ['COMBO', { options: expect.anything() }] } } },
    });
    expect(await catalogue(POOL, ['Loader'])).toBe(union);
    expect(await catalogue(POOL, ['Draw', 'Loader'])).toHaveProperty('Draw');
    await publish('w/2', catalogueWith({ Loader: { name: ['elk'] } }));
    const later = await reader().catalogue(POOL, ['Loader']);
    expect(JSON.stringify(later)).toContain('elk');
  });

  it('are undefined while nothing is published', async () => {
    const { fleet } = await open();
    expect(await fleet.catalogue(POOL, ['Loader'])).toBeUndefined();
    expect(await fleet.abilities(POOL, ['Loader'])).toEqual([]);
  });

  it('are read once by concurrent callers, and never again', async () => {
    const { publish, reader, redis, keys } = await open();
    await publish('w/1');
    const { of, catalogue } = reader();
    const all = await Promise.all([of(POOL, ['Loader']), of(POOL, ['Loader', 'Save']), catalogue(POOL, ['Loader'])]);
    await redis.del(keys.catalogue(catalogueWith(FOX).digest));
    expect(await of(POOL, ['Save', 'Loader'])).toMatchObject([{ abilities: FOX }]);
    expect(all[2]).toEqual({ Loader: described('fox') });
  });

  it.each(['is gone', 'is incomplete', 'has another digest'])('are unknown if the catalogue %s', async (how) => {
    const { publish, reader, redis, keys } = await open();
    const { digest } = catalogueWith(FOX);
    await publish('w/1');
    await publish('w/2', catalogueWith(BEAR));
    if (how === 'is gone') await redis.del(keys.catalogue(digest));
    if (how === 'is incomplete') await redis.hdel(keys.catalogue(digest), ':count');
    if (how.endsWith('digest')) await redis.hset(keys.catalogueDigests(POOL), 'w/1', `${Date.now()} ${'0'.repeat(64)}`);
    const known = await reader().of(POOL, ['Loader']);
    expect(known.map(({ instance }) => instance)).toEqual(['w/2']);
    const all = [];
    for await (const [name] of reader().everything(POOL)) all.push(name);
    expect(all).toEqual(['Draw', 'Loader']);
  });

  it('include classes that a ComfyUI replaces by one that it has', async () => {
    const { publish, reader } = await open();
    const mapping = [{ new_id: 'name', old_id: 'old_name' }];
    const table = {
      OldLoader: [{ new_node_id: 'Loader', input_mapping: mapping }],
      Lost: [{ new_node_id: 'Missing', input_mapping: null }],
    };
    await publish('w/1', catalogueWith(FOX, table));
    const [known] = await reader().of(POOL, ['OldLoader', 'Lost', 'Loader']);
    expect(known?.abilities).toEqual({ OldLoader: { old_name: ['fox'] }, Loader: { name: ['fox'] } });
  });

  it('include no class with the name of a reserved field', async () => {
    const { publish, reader } = await open();
    await publish('w/1');
    const [known] = await reader().of(POOL, [':count', ':replacements', '__proto__', 'constructor']);
    expect(known?.abilities).toEqual({});
  });

  it('are read in parts if they are large', async () => {
    const { publish, reader, redis, keys } = await open();
    const names = Array.from({ length: 600 }, (_, index) => `Class${String(index).padStart(3, '0')}`);
    const options = [...'abcdefghij'].map((letter) => letter.repeat(200));
    const large = catalogueWith(Object.fromEntries(names.map((name) => [name, { it: options }])));
    await publish('w/1', large);
    expect(await redis.hlen(keys.catalogue(large.digest))).toBe(602);
    const [known] = await reader().of(POOL, names);
    expect(Object.keys(known?.abilities ?? {})).toEqual(names);
    const all = [];
    for await (const [name] of reader().everything(POOL)) all.push(name);
    expect(all).toEqual(names);
  });
});

describe('a catalogue', () => {
  it('lives for a day after an instance last published it, and is written once', async () => {
    const { publish, redis, keys } = await open();
    const { digest } = catalogueWith(FOX);
    await publish('w/1');
    await redis.pexpire(keys.catalogue(digest), 60_000);
    await redis.hdel(keys.catalogue(digest), 'Save');
    await publish('w/2');
    expect(await redis.pttl(keys.catalogue(digest))).toBeGreaterThan(DAY_MS - 60_000);
    expect(await redis.hexists(keys.catalogue(digest), 'Save')).toBe(0);
  });

  it('lives for an hour after its last instance has another one', async () => {
    const { publish, redis, keys } = await open();
    const life = () => redis.pttl(keys.catalogue(catalogueWith(FOX).digest));
    await publish('w/1');
    await publish('w/2');
    await publish('w/1', catalogueWith(BEAR));
    expect(await life()).toBeGreaterThan(DAY_MS - 60_000);
    await publish('w/2', catalogueWith(BEAR));
    expect(await life()).toBeLessThanOrEqual(3_600_000);
    await publish('w/2');
    expect(await life()).toBeGreaterThan(DAY_MS - 60_000);
  });

  it('is forgotten with its instance a day after that was last seen', async () => {
    const { publish, reader } = await open();
    await publish('old/1', catalogueWith(BEAR), Date.now() - DAY_MS - 1);
    expect(await reader().of(POOL, ['Loader'])).toEqual([]);
  });
});

it('rounds bounds that have more digits than requests may have', async () => {
  const { publish, reader } = await open();
  const max = `1${'0'.repeat(100)}`;
  const classes: [string, string][] = [['Wide', `{"input":{"required":{"n":["INT",{"max":${max}}]}}}`]];
  await publish('w/1', { ...catalogueWith({}), classes });
  const wide = { input: { required: { n: ['INT', { max: 1e100 }] } } };
  expect(await reader().catalogue(POOL, ['Wide'])).toEqual({ Wide: wide });
  const all = [];
  for await (const entry of reader().everything(POOL)) all.push(entry);
  expect(all).toEqual([['Wide', wide]]);
});

it('describes a class with the options of all instances of the pool', async () => {
  const { publish, reader } = await open();
  await publish('w/1');
  await publish('w/2', catalogueWith(BEAR));
  const union = { Loader: { input: { required: { name: ['COMBO', { options: ['fox', 'bear'] }] }, optional: {} } } };
  expect(await reader().catalogue(POOL, ['Loader', 'Missing'])).toMatchObject(union);
  const all = new Map<string, unknown>();
  for await (const [name, description] of reader().everything(POOL)) all.set(name, description);
  expect([...all.keys()]).toEqual(['Draw', 'Loader', 'Save']);
  expect(Object.keys((await reader().catalogue(POOL, ['Loader', 'Missing'])) ?? {})).toEqual(['Loader']);
  expect(all.get('Loader')).toMatchObject(union.Loader);
});
