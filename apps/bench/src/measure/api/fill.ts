import { inParallel } from '../../lib/in-parallel.js';
import type { ApiStack } from './api-stack.js';
import { job } from './bodies.js';

const MOST_IN_BATCH = 1000;
const AT_ONCE = 2;

/** Makes so many waiting jobs through POST /jobs/batch; answers their ids. */
export async function fill(stack: ApiStack, count: number): Promise<string[]> {
  const ids: string[] = [];
  await inParallel(Math.ceil(count / MOST_IN_BATCH), AT_ONCE, async (batch) => {
    const first = batch * MOST_IN_BATCH;
    const jobs = Array.from({ length: Math.min(MOST_IN_BATCH, count - first) }, (_, n) => job(first + n));
    const { data } = JSON.parse(await stack.ask('POST', '/jobs/batch', { jobs })) as { data: { id: string }[] };
    ids.push(...data.map(({ id }) => id));
  });
  return ids;
}

/** Cancels waiting jobs. */
export function cancelAll(stack: ApiStack, ids: readonly string[], atOnce = 32): Promise<void> {
  return inParallel(ids.length, atOnce, async (index) => {
    await stack.ask('POST', `/jobs/${ids[index]}/cancel`);
  });
}
