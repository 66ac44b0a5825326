import type { JobRecord, JobSnapshot } from '@comfy-fleet/jobs';
import { expect, it } from 'vitest';
import { createLongJobs } from '../src/orders/long-jobs.js';
import type { ApiRequest } from '../src/server/messages.js';

/** A request of a key (null: by a signed link) for a job, and a function that ends it. */
function requestFor(id: string, idempotencyKey?: string, key: string | null = 'anna') {
  const response = new AbortController();
  const header = () => idempotencyKey;
  const caller = key === null ? undefined : { id: key };
  const { signal } = response;
  const request = { caller, visitor: caller, params: { id }, header, signal } as unknown as ApiRequest;
  return { request, sent: () => response.abort() };
}
const withOutputs = (count: number, { id = 'job', key = 'anna' } = {}) =>
  ({ id, key, outputs: Array(count).fill({}) }) as unknown as JobRecord;
const settled = () => new Promise((resolve) => setImmediate(resolve));

it('answers two requests at a time for a job with many outputs, each until it is sent, once the job was read', async () => {
  const jobs = createLongJobs();
  const answered: string[] = [];
  const ask = (id: string, outputs: number) => {
    const { request, sent } = requestFor(id);
    const answering = jobs.inTurn(request, async () => {
      jobs.note(id, withOutputs(outputs));
      answered.push(id);
      return { status: 200 };
    });
    return { answering, sent };
  };
  await ask('long', 101).answering;
  const all = [1, 2, 3].map(() => ask('long', 101));
  await settled();
  expect(answered).toHaveLength(3);
  for (let n = 0; n < 5; n++) await ask('short', 100).answering;
  all[0]?.sent();
  await all[2]?.answering;
  expect(answered.filter((id) => id === 'long')).toHaveLength(4);
});

it.each([
  ['a job with many outputs', { ids: ['a'], only: { record: withOutputs(101) } as JobSnapshot }],
  ['many jobs', { ids: Array(101).fill('a'), only: undefined }],
])('answers two requests at a time that repeat an order of %s', async (_what, order) => {
  const jobs = createLongJobs();
  jobs.noteOrder(requestFor('', 'one').request, order);
  let answered = 0;
  const ask = (idempotencyKey: string) => {
    const { request, sent } = requestFor('', idempotencyKey);
    const answering = jobs.inTurn(request, async () => {
      answered += 1;
      return { status: 202 };
    });
    return { answering, sent };
  };
  const [first, , third] = ['one', 'one', 'one'].map(ask);
  await ask('another').answering;
  await settled();
  expect(answered).toBe(3);
  first?.sent();
  await third?.answering;
});

it('holds no turn while a stream of events lasts', async () => {
  const jobs = createLongJobs();
  jobs.note('long', withOutputs(101));
  const headers = { 'Content-Type': 'text/event-stream' };
  for (let n = 0; n < 3; n++) await jobs.inTurn(requestFor('long').request, async () => ({ status: 200, headers }));
});

it("gives the links of each key turns of their own, whatever names another key's jobs have", async () => {
  const jobs = createLongJobs();
  jobs.note('a', withOutputs(101, { id: 'a' }));
  jobs.note('b', withOutputs(101, { id: 'b', key: 'bert' }));
  jobs.note('b', withOutputs(101, { id: 'c' })); // named as bert's job
  const ask = (id: string) => jobs.inTurn(requestFor(id, undefined, null).request, async () => ({ status: 200 }));
  const waiting = ['a', 'a', 'c'].map(ask);
  await Promise.all(waiting.slice(0, 2));
  expect(await ask('b')).toEqual({ status: 200 });
  expect(await Promise.race([waiting[2], settled()])).toBeUndefined();
});
