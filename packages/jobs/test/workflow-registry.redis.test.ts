import { expect, it } from 'vitest';
import type { StoredSource } from '../src/index.js';
import { aJob, openFleet } from './builders.js';

/** Versions only have to be different. */
const source = (n: number): StoredSource => ({ version: String(n).padStart(64, '0'), text: `{"graph":${n}}` });
const versionsOf = (entries: readonly { version: string }[] = []) => entries.map(({ version }) => Number(version));

it('lists what was published, by whom and when, the newest version first', async () => {
  const { ledger } = await openFleet();
  const { workflows } = ledger;
  const before = Date.now();
  expect(await workflows.put('flux', source(1), 'anna')).toBe('new');
  expect(await workflows.put('flux', source(2), 'bert')).toBe('changed');
  expect(await workflows.put('upscale', source(1), 'anna')).toBe('new');
  const listed = await workflows.list();
  expect([...listed.keys()].sort()).toEqual(['flux', 'upscale']);
  expect(listed.get('flux')).toMatchObject([
    { version: source(2).version, by: 'bert' },
    { version: source(1).version, by: 'anna' },
  ]);
  expect(listed.get('flux')?.[0]?.at).toBeGreaterThan(before - 60_000);
});

it('changes nothing for the newest version, and brings an older one back to the front', async () => {
  const { workflows } = (await openFleet()).ledger;
  await workflows.put('flux', source(1), 'anna');
  expect(await workflows.put('flux', source(1), 'bert')).toBe('same');
  await workflows.put('flux', source(2), 'anna');
  expect(await workflows.put('flux', source(1), 'bert')).toBe('changed');
  expect(versionsOf((await workflows.list()).get('flux'))).toEqual([1, 2]);
});

it('loses none of the workflows that are published at the same time', async () => {
  const { workflows } = (await openFleet()).ledger;
  const names = ['a', 'b', 'c', 'd'];
  const verdicts = await Promise.all(names.map((name, n) => workflows.put(name, source(n), 'anna')));
  expect(verdicts).toEqual(['new', 'new', 'new', 'new']);
  expect([...(await workflows.list()).keys()].sort()).toEqual(names);
});

it('keeps as many versions as the setting says, and the source of a dropped one for the jobs that name it', async () => {
  const { ledger, redis, keys } = await openFleet();
  const { workflows } = ledger;
  await workflows.put('flux', source(1), 'anna');
  await ledger.orders.create({ jobs: [aJob({ source: source(1) })], caller: 'anna' });
  for (const n of [2, 3, 4]) await workflows.put('flux', source(n), 'anna');
  expect(versionsOf((await workflows.list()).get('flux'))).toEqual([4, 3, 2]);
  expect(await workflows.source(source(1).version)).toBe(source(1).text);
  expect(await redis.pttl(keys.version(source(1).version))).toBeGreaterThan(0);
  expect(await redis.pttl(keys.version(source(2).version))).toBe(-1);
});

it('keeps a draft for an hour from its last storing, and shortens no longer lifetime', async () => {
  const { ledger, redis, keys } = await openFleet();
  const { workflows } = ledger;
  const key = keys.version(source(1).version);
  await workflows.keep(source(1));
  await redis.pexpire(key, 60_000);
  await workflows.keep(source(1));
  expect(await redis.pttl(key)).toBeGreaterThan(60_000);
  await workflows.put('flux', source(1), 'anna');
  await workflows.keep(source(1));
  expect(await redis.pttl(key)).toBe(-1);
});

it('withdraws a name, whose sources stay while jobs may name them, or forever under another name', async () => {
  const { ledger, redis, keys } = await openFleet();
  const { workflows } = ledger;
  await workflows.put('flux', source(1), 'anna');
  await workflows.put('flux', source(2), 'anna');
  await workflows.put('copy', source(2), 'anna');
  expect(await workflows.delete('flux')).toBe(true);
  expect(await workflows.delete('flux')).toBe(false);
  expect([...(await workflows.list()).keys()]).toEqual(['copy']);
  expect(await redis.pttl(keys.version(source(1).version))).toBeGreaterThan(0);
  expect(await redis.pttl(keys.version(source(2).version))).toBe(-1);
});

it('publishes an expiring source again, forever', async () => {
  const { ledger, redis, keys } = await openFleet();
  await ledger.workflows.put('flux', source(1), 'anna');
  await ledger.workflows.delete('flux');
  await ledger.workflows.put('flux', source(1), 'anna');
  expect(await redis.pttl(keys.version(source(1).version))).toBe(-1);
});
