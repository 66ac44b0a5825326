import { modelId } from '@comfy-fleet/contracts';
import { expect, it } from 'vitest';
import { MOST_URL_MODELS, newModel } from '../src/index.js';
import { openFleet } from './builders.js';
import { openHousekeeper } from './housekeepers.js';

const DAY_MS = 86_400_000;
const url = (n: number) => ({ source: `https://models.example/${n}`, sha256: null, extension: '.safetensors' });

it('gives each key, URL and hash a name of its own, always the same one', async () => {
  const { models } = (await openFleet()).ledger;
  const name = await models.named('anna', 'loras', url(1));
  expect(name).toMatch(/^url\/[0-9a-f]{32}\.safetensors$/);
  expect(await models.named('anna', 'loras', url(1))).toBe(name);
  expect(await models.named('bert', 'loras', url(1))).not.toBe(name);
  expect(await models.named('anna', 'loras', { ...url(1), sha256: 'a'.repeat(64) })).not.toBe(name);
  const record = (await models.list()).get(`loras/${name}`);
  expect(record).toMatchObject({ by_url: true, keys: ['anna'], sources: ['https://models.example/1'], sha256: null });
});

it('registers no more models of a key than it may have, however many are named at once, but renews those it has', async () => {
  const { models } = (await openFleet()).ledger;
  for (let n = 1; n <= MOST_URL_MODELS - 10; n += 1) await models.named('anna', 'loras', url(n));
  const atOnce = Array.from({ length: 20 }, (_, n) => models.named('anna', 'loras', url(1000 + n)));
  expect((await Promise.all(atOnce)).filter((name) => name !== undefined)).toHaveLength(10);
  expect(await models.named('anna', 'loras', url(0))).toBeUndefined();
  const [known] = (await models.list()).values();
  expect(await models.named('anna', 'loras', { ...url(0), source: known?.sources[0] ?? '' })).toBe(known?.name);
  expect(await models.named('bert', 'loras', url(0))).toBeDefined();
});

it('forgets those that no request has named and no job has used for a week, and no others', async () => {
  const fleet = await openFleet();
  const { models } = fleet.ledger;
  const keeper = openHousekeeper(fleet);
  const worker = fleet.worker();
  const old = { sources: [], by_url: true, named_at: Date.now() - 8 * DAY_MS };
  const records = [
    newModel('loras', 'url/unused.safetensors', old),
    newModel('loras', 'url/used.safetensors', old),
    newModel('loras', 'url/named.safetensors', { ...old, named_at: Date.now() - 6 * DAY_MS }),
    newModel('loras', 'registered.safetensors', { ...old, by_url: false }),
  ];
  for (const record of records) await models.change(record, () => record);
  const folder = { id: 'f1', worker: 'w1', peer_url: null, max_bytes: 1, used_bytes: 1, bytes_per_second: 0 };
  const copy = { state: 'ready', bytes: 1, fetched: 1, used_at: Date.now(), is_ours: true } as const;
  await worker.models.announce(folder, new Map([['loras/url/used.safetensors', copy]]));
  expect(await keeper.forgetModels()).toBe(1);
  expect([...(await worker.models.list()).values()].map(modelId).sort()).toEqual([
    'loras/registered.safetensors',
    'loras/url/named.safetensors',
    'loras/url/used.safetensors',
  ]);
});
