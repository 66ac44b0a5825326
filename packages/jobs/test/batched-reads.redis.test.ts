import { expect, it } from 'vitest';
import { createBatchedReads } from '../src/callers/batched-reads.js';
import { aFrame, nextClaim, openFleet } from './builders.js';

const OUTPUTS = 200;

/** A fleet with jobs that have many outputs. */
async function withLongJobs(count: number) {
  const fleet = await openFleet();
  const source = await fleet.claims();
  const ids: string[] = [];
  for (let n = 0; n < count; n += 1) {
    const { id } = (await fleet.submit()).record;
    const claim = await nextClaim(source);
    const outputs = Array.from({ length: OUTPUTS }, (_, frame) => aFrame(id, frame + 1));
    await claim.finish({ status: 'succeeded', outputs });
    ids.push(id);
  }
  return { ...fleet, ids };
}

it('reads jobs with many outputs, which Redis does not encode, beside others', async () => {
  const { run, redis, keys, ids, submit, ledger } = await withLongJobs(2);
  const short = (await submit()).record.id;
  const all = [...ids, short, 'none'];
  const [json = '', ...long] = (await run(
    'read',
    '',
    {},
    all.flatMap((id) => ['job', id]),
  )) as string[];
  expect(json.length).toBeLessThan(10_000);
  expect(long.map((text) => (JSON.parse(text) as unknown[]).length)).toEqual([OUTPUTS, OUTPUTS]);
  const { job, count } = createBatchedReads(redis, keys);
  const [read, counted] = await Promise.all([Promise.all(all.map(job)), count('anna')]);
  expect(read).toEqual(await Promise.all(all.map((id) => ledger.jobs.get(id))));
  expect(read.map((snapshot) => snapshot?.record.outputs.length)).toEqual([OUTPUTS, OUTPUTS, 0, undefined]);
  expect(counted.requests).toBe(1);
});

it('reads a job once for all that ask at the same time, and counts each request', async () => {
  const { redis, keys, ids } = await withLongJobs(1);
  const { job, count } = createBatchedReads(redis, keys);
  const [id = ''] = ids;
  const [first, second, , last] = await Promise.all([job(id), job(id), count('anna'), count('anna')]);
  expect(first?.record.outputs).toHaveLength(OUTPUTS);
  expect(second).toBe(first);
  expect(last.requests).toBe(2);
});

it('returns jobs with many outputs in different turns of the event loop', async () => {
  const { redis, keys, ids } = await withLongJobs(4);
  let turn = 0;
  let isOver = false;
  const count = () => {
    turn += 1;
    if (!isOver) setImmediate(count);
  };
  count();
  const { job } = createBatchedReads(redis, keys);
  const turns = await Promise.all(ids.map((id) => job(id).then(() => turn)));
  isOver = true;
  expect(new Set(turns).size).toBe(ids.length);
});
