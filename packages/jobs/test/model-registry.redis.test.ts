import type { ModelCopy, ModelFolder } from '@comfy-fleet/contracts';
import { expect, it } from 'vitest';
import { newModel } from '../src/index.js';
import { forgetUnused } from '../src/models/url-models.js';
import { openFleet } from './builders.js';

const SOURCES = ['https://example.com/detail.safetensors'];
const detail = newModel('loras', 'detail.safetensors', { sources: SOURCES });
const ID = 'loras/detail.safetensors';
const FOLDER: Omit<ModelFolder, 'seen_at' | 'instances' | 'pools'> = {
  id: 'f1',
  worker: 'w1',
  peer_url: null,
  max_bytes: 1000,
  used_bytes: 0,
  bytes_per_second: 0,
};
const COPY: ModelCopy = { state: 'ready', bytes: 10, fetched: 10, used_at: 1, is_ours: true };

it('lists registered models, and answers with the same list until one changes', async () => {
  const { models } = (await openFleet()).ledger;
  await models.change(detail, () => detail);
  const listed = await models.list();
  expect([...listed]).toEqual([['loras/detail.safetensors', detail]]);
  await models.change(detail, (before) => before);
  expect(await models.list()).toBe(listed);
  await models.change(detail, () => undefined);
  expect([...(await models.list())]).toEqual([]);
  expect((await models.list()).get(ID)).toBeUndefined();
});

it('applies both of two changes at the same time', async () => {
  const { models } = (await openFleet()).ledger;
  await models.change(detail, () => detail);
  await Promise.all([
    models.change(detail, (before) => before && { ...before, keys: [] }),
    models.change(detail, (before) => before && { ...before, pinned_in: ['default'] }),
  ]);
  expect((await models.list()).get(ID)).toEqual({ ...detail, keys: [], pinned_in: ['default'] });
});

it('pins the first hash and size, and answers with them when another host found others', async () => {
  const { models } = (await openFleet()).ledger;
  await models.change(detail, () => detail);
  const first = { sha256: 'a'.repeat(64), bytes: 10 };
  expect(await models.pin(detail, first)).toMatchObject(first);
  expect(await models.pin(detail, { sha256: 'b'.repeat(64), bytes: 11 })).toMatchObject(first);
  expect((await models.list()).get(ID)).toMatchObject(first);
});

it('keeps a deleted model for a week, without its sources, and lets it be registered again', async () => {
  const { ledger, redis, keys } = await openFleet();
  const { models } = ledger;
  await models.change(detail, () => ({ ...detail, keys: ['anna'] }));
  await models.change(detail, () => undefined);
  expect([...(await models.list())]).toEqual([]);
  expect((await models.list()).get(ID)).toBeUndefined();
  const [kept] = (await models.listWithDeleted()).values();
  expect(kept).toMatchObject({ keys: [], sources: [], deleted_at: expect.any(Number) });
  expect(await models.pin(detail, { sha256: 'a'.repeat(64), bytes: 10 })).toBeUndefined();
  expect([...(await models.listWithDeleted()).values()]).toEqual([kept]);
  expect(await models.change(detail, (before) => before ?? detail)).toEqual(detail);

  const long = { ...kept, name: 'old.safetensors', deleted_at: Date.now() - 8 * 86_400_000 };
  await redis.hset(keys.models, 'loras/old.safetensors', JSON.stringify(long));
  await models.change(detail, () => undefined);
  expect((await models.listWithDeleted()).get(ID)).toMatchObject({ keys: null, deleted_at: expect.any(Number) });
  expect(await forgetUnused(models, () => 0)).toBe(0);
  expect((await redis.hkeys(keys.models)).sort()).toEqual([':version', 'loras/detail.safetensors']);
});

it('does not register a deleted model again when a fetch ends', async () => {
  const { models } = (await openFleet()).ledger;
  expect(await models.pin(detail, { sha256: 'a'.repeat(64), bytes: 10 })).toBeUndefined();
  expect((await models.list()).get(ID)).toBeUndefined();
});

it('shows what folders have, with changes since their announcement, until they are withdrawn', async () => {
  const { models } = (await openFleet()).ledger;
  await models.announce(FOLDER, new Map([['loras/a.safetensors', COPY]]));
  await models.announceChanges(
    'f1',
    new Map([
      ['loras/a.safetensors', null],
      ['loras/b.safetensors', COPY],
    ]),
  );
  await models.join('f1', { worker: 'w1', instances: ['w1/1'], pools: ['default'] });
  await models.join('f1', { worker: 'w2', instances: ['w2/1'], pools: ['default', 'big'] });
  const [only] = await models.folders();
  expect(only?.folder).toMatchObject({ ...FOLDER, instances: ['w1/1', 'w2/1'], pools: ['big', 'default'] });
  expect([...(only?.copies ?? [])]).toEqual([['loras/b.safetensors', COPY]]);
  await models.withdraw('f1');
  expect(await models.folders()).toEqual([]);
});

it('forgets a folder that was not announced for a minute', async () => {
  const { ledger, redis, keys } = await openFleet();
  await redis.hset(keys.modelFolders, 'f1', JSON.stringify({ ...FOLDER, seen_at: Date.now() - 61_000 }));
  expect(await ledger.models.folders()).toEqual([]);
  expect(await redis.hlen(keys.modelFolders)).toBe(0);
});

it('lets one worker manage a folder', async () => {
  const { models } = (await openFleet()).ledger;
  expect(await models.keep('f1', 'w1', 60_000)).toBe(true);
  expect(await models.keep('f1', 'w2', 60_000)).toBe(false);
  expect(await models.keep('f1', 'w1', 60_000)).toBe(true);
});
