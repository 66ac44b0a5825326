import { expect, it } from 'vitest';
import { markOf } from '../src/index.js';
import { type Fleet, nextClaim, openFleet } from './builders.js';

/** The worker `w` holds a job; others wait. */
async function aFleet() {
  const fleet = await openFleet();
  const worker = fleet.worker('w');
  const source = await worker.claims('default');
  return { fleet, ahead: worker.encodeAhead, claim: () => nextClaim(source), source };
}

const submitAs = async (fleet: Fleet, key: string, more: Parameters<Fleet['submit']>[0] = {}) =>
  (await fleet.submit({ key, ...more })).record.id;

it('finds the jobs that wait for the same models, of each key in turn, and those claimed but not submitted first', async () => {
  const { fleet, ahead, claim } = await aFleet();
  const anna = [];
  for (let n = 0; n < 4; n++) anna.push(await submitAs(fleet, 'anna'));
  const bert = [await submitAs(fleet, 'bert'), await submitAs(fleet, 'bert')];
  await submitAs(fleet, 'bert', { request: { checkpoint: 'another.safetensors' } });
  await submitAs(fleet, 'bert', { comfyKey: 'secret' });
  const [first, second] = [await claim(), await claim()];
  const held = second.record.id;
  const found = await ahead.alike(first.record.id, 7, markOf('w/1'));
  const waiting = [...anna, ...bert].filter((id) => ![first.record.id, held].includes(id));
  expect(found[0]).toMatchObject({ id: held, key: second.record.key, request: second.record.request });
  expect(found.slice(1).map(({ id }) => id)).toHaveLength(waiting.length);
  expect(new Set(found.slice(1).map(({ id }) => id))).toEqual(new Set(waiting));
  expect(new Set(found.slice(1, 3).map(({ key }) => key))).toEqual(new Set(['anna', 'bert']));
  expect(await ahead.alike(first.record.id, 2, markOf('w/1'))).toHaveLength(2);
  await second.submit('p2', 'w/1');
  expect((await ahead.alike(first.record.id, 7, markOf('w/1'))).map(({ id }) => id)).not.toContain(held);
});

it('does not find a job that waits with the mark of another instance, which gets it before others', async () => {
  const { fleet, ahead, claim, source } = await aFleet();
  const ids = [];
  for (let n = 0; n < 6; n++) ids.push(await submitAs(fleet, 'anna'));
  const first = await claim();
  const idsOf = async (instance: string) =>
    (await ahead.alike(first.record.id, 2, markOf(instance))).map(({ id }) => id);
  expect(await idsOf('w/1')).toEqual(ids.slice(1, 3));
  expect(await idsOf('w/1')).toEqual(ids.slice(1, 3));
  expect(await idsOf('w/2')).toEqual(ids.slice(3, 5));
  const asker = { name: 'w/2', encoding: markOf('w/2'), fit: async () => 0 };
  const claimed = await source.nextFor(asker);
  expect(claimed).toMatchObject({ record: { id: ids[3] } });
});

it('finds only jobs of the same key if asked to', async () => {
  const { fleet, ahead, claim } = await aFleet();
  for (let n = 0; n < 3; n++) await submitAs(fleet, 'anna');
  for (let n = 0; n < 3; n++) await submitAs(fleet, 'bert');
  const { record } = await claim();
  const found = await ahead.alike(record.id, 7, markOf('w/1'), true);
  expect(found.map(({ key }) => key)).toEqual([record.key, record.key]);
});

it('finds none while the pool is paused', async () => {
  const { fleet, ahead, claim } = await aFleet();
  for (let n = 0; n < 3; n++) await submitAs(fleet, 'anna');
  const first = await claim();
  await fleet.ledger.fleet.halt({ kind: 'pool', name: 'default' }, 'operator');
  expect(await ahead.alike(first.record.id, 7, markOf('w/1'))).toEqual([]);
});

it('charges a key for the texts of its jobs, so that another key is served before it', async () => {
  const { fleet, ahead, claim } = await aFleet();
  for (const key of ['anna', 'bert', 'anna', 'bert']) await submitAs(fleet, key);
  const [first, second] = [await claim(), await claim()];
  expect([first.record.key, second.record.key]).toEqual(['anna', 'bert']);
  const shares = [{ id: first.record.id, key: 'anna', pool: 'default', ms: 500 }];
  await ahead.charge(shares, { instance: 'w/1', ms: 500, loadedMs: 100 });
  expect((await claim()).record.key).toBe('bert');
  expect((await fleet.ledger.accounts.usage('anna', 1))[0]).toMatchObject({ gpuMs: 500 });
});

it('knows whether any of the jobs has not ended', async () => {
  const { fleet, ahead } = await aFleet();
  const [first, second] = [await submitAs(fleet, 'anna'), await submitAs(fleet, 'anna')];
  await fleet.ledger.jobs.cancel(first);
  expect(await ahead.isAnyWanted([first, second])).toBe(true);
  await fleet.ledger.jobs.cancel(second);
  expect(await ahead.isAnyWanted([first, second, 'forgotten'])).toBe(false);
});

it('finds own graphs of the same key only, and none once the key killed an instance with one', async () => {
  const { fleet, ahead, claim } = await aFleet();
  const request = { workflow: 'graph', shape: 'the same' };
  const anna = [];
  for (let n = 0; n < 3; n++) anna.push(await submitAs(fleet, 'anna', { request }));
  for (let n = 0; n < 3; n++) await submitAs(fleet, 'bert', { request });
  const first = await claim();
  expect(first.record.key).toBe('anna');
  const found = await ahead.alike(first.record.id, 7, markOf('w/1'));
  expect(found.map(({ id }) => id)).toEqual(anna.slice(1));
  await ahead.killed(first.record, 'a hint');
  await ahead.killed(first.record, 'a hint');
  expect(await fleet.worker().kills()).toMatchObject([{ key: 'anna', workflow: 'graph', rests: 0 }]);
  expect(await ahead.alike(first.record.id, 7, markOf('w/1'))).toEqual([]);
});

it('charges a key for a prompt that encoded ahead, and counts its kill, also when the key has deleted the job meanwhile', async () => {
  const { fleet, ahead, claim } = await aFleet();
  const id = await submitAs(fleet, 'anna', { request: { workflow: 'graph', shape: 'the same' } });
  const held = await claim();
  await fleet.ledger.jobs.cancel(id);
  await held.finish({ status: 'canceled' }, undefined);
  expect(await fleet.ledger.jobs.forget(id)).toBe(true);
  await ahead.killed(held.record, 'a hint');
  const shares = [{ id, key: 'anna', pool: 'default', ms: 500 }];
  await ahead.charge(shares, { instance: 'w/1', ms: 500, loadedMs: undefined });
  expect(await fleet.worker().kills()).toMatchObject([{ key: 'anna', workflow: 'graph', rests: 0 }]);
  expect((await fleet.ledger.accounts.usage('anna', 1))[0]).toMatchObject({ gpuMs: 500 });
});
