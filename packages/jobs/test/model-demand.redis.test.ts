import type { ModelCopy } from '@comfy-fleet/contracts';
import { claimNext } from '@comfy-fleet/testing';
import { expect, it } from 'vitest';
import { affinityKeyOf } from '../src/record/request-keys.js';
import { aRequest, openFleet, POOL } from './builders.js';

const COPY: ModelCopy = { state: 'ready', bytes: 10, fetched: 10, used_at: 1, is_ours: true };
const ID = 'loras/a.safetensors';
const forCheckpoint = (checkpoint: string) => ({ inputs: { checkpoint } });
const affinity = (checkpoint: string) => affinityKeyOf(aRequest(forCheckpoint(checkpoint)));

it('lists waiting jobs in the order of service: keys by virtual time, then those at their limit, and of each its queues', async () => {
  const fleet = await openFleet();
  const submit = (key: string, checkpoint: string, more = {}) =>
    fleet.submit({ key, request: forCheckpoint(checkpoint), ...more });
  const first = await submit('k', 'a');
  await submit('k', 'b');
  await submit('k', 'a');
  await submit('limited', 'c', { mostTaken: 1 });
  await submit('limited', 'd', { mostTaken: 1 });
  await submit('later', 'c');
  const { redis, keys } = fleet;
  await redis.zadd(keys.keysToServe(POOL), 5, 'later', 1, 'k', 0, 'limited');
  const source = await fleet.claims();
  await claimNext(source);
  const { models } = fleet.worker();
  const rows = await models.waiting(POOL);
  expect(rows.map(({ key, affinity: its, waiting }) => [key, its, waiting])).toEqual([
    ['k', affinity('a'), 2],
    ['k', affinity('b'), 1],
    ['later', affinity('c'), 1],
    ['limited', affinity('d'), 1],
  ]);
  const { id, record } = { id: first.record.id, record: first.record };
  expect(rows[0]).toEqual({
    pool: POOL,
    key: 'k',
    affinity: affinity('a'),
    job: id,
    since: record.createdAt,
    waiting: 2,
    expectedMs: 10_000,
  });
  expect(await models.jobOf(id)).toEqual({ key: 'k', request: record.request });
  expect(await models.waiting('another')).toEqual([]);
});

it('knows the jobs that workers hold', async () => {
  const fleet = await openFleet();
  const { record } = await fleet.submit();
  await claimNext(await fleet.claims());
  const { models } = fleet.worker();
  expect(await models.heldBy(['w1', 'w2'])).toEqual([record.id]);
  expect(await models.heldBy(['w2'])).toEqual([]);
});

it('begins a fetch unless more other hosts than planned have or fetch the model', async () => {
  const { models } = (await openFleet()).worker();
  const fetching: ModelCopy = { ...COPY, state: 'fetching', fetched: 0 };
  const begin = (folder: string, rivals: readonly string[], most: number) =>
    models.beginFetch(folder, { id: ID, most, rivals }, fetching);
  const all = ['f1', 'f2', 'f3'];
  // Two hosts that choose the same model at the same time.
  expect(await Promise.all([begin('f1', ['f2', 'f3'], 0), begin('f2', ['f1', 'f3'], 0)])).toEqual([true, false]);
  expect([...(await models.copiesOf('f1'))]).toEqual([[ID, fetching]]);
  expect(await models.copiesOf('f2')).toEqual(new Map());
  expect(await begin('f2', all, 1)).toBe(true);
  await models.announceChanges('f1', new Map([[ID, { ...COPY, state: 'failed' }]]));
  expect(await begin('f3', all, 1)).toBe(true);
});
