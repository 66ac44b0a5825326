import type { JobRecord } from '@comfy-fleet/jobs';
import { expect, it } from 'vitest';
import { createLongJobs } from '../src/orders/long-jobs.js';
import type { ApiRequest } from '../src/server/messages.js';
import { createAllTurns } from '../src/server/turns.js';

/** A request of a key for a job, and a function that ends it. */
function requestFor(id: string) {
  const response = new AbortController();
  const request = { caller: { id: 'anna' }, params: { id }, signal: response.signal } as unknown as ApiRequest;
  return { request, sent: () => response.abort() };
}
const withOutputs = (count: number) => ({ outputs: Array(count).fill({}) }) as unknown as JobRecord;
const settled = () => new Promise((resolve) => setImmediate(resolve));

it('answers two requests at a time for a job with many outputs, each until it is sent, once the job was read', async () => {
  const jobs = createLongJobs(createAllTurns().heavyReads);
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
