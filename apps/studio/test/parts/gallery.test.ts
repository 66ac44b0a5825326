import type { Job } from '@comfy-fleet/client';
import { QueryClient, QueryObserver } from '@tanstack/react-query';
import { describe, expect, it } from 'vitest';
import { filterOf, metadataFault, NO_FILTERS, readFilters } from '../../src/gallery/filters.js';
import { followedOf, keepJob, RECENT } from '../../src/jobs/recent-jobs.js';
import { rungsAbove, stateOf } from '../../src/jobs/words.js';

const job = (part: Partial<Job>) => part as Job;

describe('the filters of the gallery', () => {
  it('are read from the address, and ask for nothing when they are empty', () => {
    expect(filterOf(readFilters(new URLSearchParams('')))).toEqual({});
    const filters = readFilters(new URLSearchParams('status=failed&metadata=order%3D7'));
    expect(filterOf(filters)).toEqual({ status: 'failed', metadata: { order: '7' } });
  });

  it('say why metadata without a name and a value is not looked for', () => {
    const texts = ['', '  ', 'order=7', 'order=', 'order', '=7'];
    expect(texts.filter((text) => metadataFault(text) === undefined)).toEqual(['', '  ', 'order=7', 'order=']);
    expect(metadataFault('order')).toContain('name=value');
    expect(filterOf({ ...NO_FILTERS, metadata: 'order' })).toEqual({});
  });

  it('take whole days, and no half-typed ones', () => {
    const { created_after, created_before } = filterOf({ ...NO_FILTERS, from: '2026-11-27', to: '2026-11-27' });
    expect(Date.parse(created_before ?? '') - Date.parse(created_after ?? '')).toBe(24 * 3600 * 1000 - 1);
    expect(filterOf({ ...NO_FILTERS, from: '2026-1' })).toEqual({});
  });
});

describe('words for a job', () => {
  it('say its place and when it will be there', () => {
    const waiting = { status: 'queued', waiting_for: null, queue_position: 3, eta_seconds: 12.4 } as const;
    expect(stateOf(job(waiting))).toBe('3 before it, ready in about 12 s');
    expect(stateOf(job({ ...waiting, queue_position: 0, eta_seconds: null }))).toBe('Next in line');
    const reason = { code: 'no_instance', detail: 'No instance is up.' } as const;
    expect(stateOf(job({ ...waiting, waiting_for: reason }))).toBe('No instance is up.');
  });

  it('name the rungs above a picture', () => {
    const made = { status: 'succeeded', images: [{}] } as unknown as Job;
    expect(rungsAbove({ ...made, lod: 'sketch' })).toEqual(['mid', 'final']);
    expect(rungsAbove({ ...made, lod: 'direct_final' })).toEqual([]);
    expect(rungsAbove({ ...made, lod: null })).toEqual([]);
    expect(rungsAbove({ ...made, lod: 'sketch', status: 'failed' })).toEqual([]);
  });
});

describe('the jobs that are followed', () => {
  it('are what runs, then the oldest that wait, and no more than a browser has connections for', () => {
    const at = (id: string, status: Job['status'], created_at: string) => job({ id, status, created_at });
    const jobs = [
      at('e', 'queued', '5'),
      at('d', 'running', '4'),
      at('c', 'queued', '3'),
      at('b', 'queued', '2'),
      at('a', 'succeeded', '1'),
    ];
    expect([...followedOf(jobs)]).toEqual(['d', 'b', 'c']);
  });
});

const jobNamed = (id: string, status: Job['status']) => ({ id, status }) as Job;

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

it('shows no answer to what was asked before a jobNamed was told of', async () => {
  const queries = new QueryClient();
  const { asked, seen, now } = looking(queries);
  keepJob(queries, jobNamed('b', 'running'));
  asked[0]?.([jobNamed('b', 'queued'), jobNamed('a', 'succeeded')]);
  await expect.poll(() => asked.length).toBe(2);
  expect(now()).toEqual([jobNamed('b', 'running')]);
  asked[1]?.([jobNamed('b', 'running'), jobNamed('a', 'succeeded')]);
  await expect.poll(now).toHaveLength(2);
  expect(seen.flatMap((jobs = []) => jobs)).not.toContainEqual(jobNamed('b', 'queued'));
});

it('asks for nothing when nothing was under way', async () => {
  const queries = new QueryClient();
  const { asked, now } = looking(queries);
  asked[0]?.([jobNamed('a', 'running')]);
  await expect.poll(now).toBeDefined();
  keepJob(queries, jobNamed('a', 'succeeded'));
  keepJob(queries, jobNamed('b', 'queued'));
  expect(now()).toEqual([jobNamed('b', 'queued'), jobNamed('a', 'succeeded')]);
  expect(asked).toHaveLength(1);
});
