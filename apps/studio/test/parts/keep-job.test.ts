import type { Job } from '@comfy-fleet/client';
import { QueryClient, QueryObserver } from '@tanstack/react-query';
import { expect, it } from 'vitest';
import { keepJob, RECENT } from '../../src/jobs/keep-job.js';

const job = (id: string, status: Job['status']) => ({ id, status }) as Job;

/** Somebody looks at the newest jobs. Each question waits in `asked` for its answer. */
function looking(queries: QueryClient) {
  const asked: ((jobs: readonly Job[]) => void)[] = [];
  const seen: (readonly Job[] | undefined)[] = [];
  const observer = new QueryObserver(queries, {
    queryKey: RECENT,
    queryFn: ({ signal }) =>
      new Promise<readonly Job[]>((resolve, reject) => {
        asked.push(resolve);
        signal.addEventListener('abort', () => reject(signal.reason));
      }),
  });
  observer.subscribe(({ data }) => seen.push(data));
  return { asked, seen, now: () => queries.getQueryData<readonly Job[]>(RECENT) };
}

it('shows no answer to what was asked before a job was told of', async () => {
  const queries = new QueryClient();
  const { asked, seen, now } = looking(queries);
  keepJob(queries, job('b', 'running'));
  asked[0]?.([job('b', 'queued'), job('a', 'succeeded')]);
  await expect.poll(() => asked.length).toBe(2);
  expect(now()).toEqual([job('b', 'running')]);
  asked[1]?.([job('b', 'running'), job('a', 'succeeded')]);
  await expect.poll(now).toHaveLength(2);
  expect(seen.flatMap((jobs = []) => jobs)).not.toContainEqual(job('b', 'queued'));
});

it('asks for nothing when nothing was under way', async () => {
  const queries = new QueryClient();
  const { asked, now } = looking(queries);
  asked[0]?.([job('a', 'running')]);
  await expect.poll(now).toBeDefined();
  keepJob(queries, job('a', 'succeeded'));
  keepJob(queries, job('b', 'queued'));
  expect(now()).toEqual([job('b', 'queued'), job('a', 'succeeded')]);
  expect(asked).toHaveLength(1);
});
