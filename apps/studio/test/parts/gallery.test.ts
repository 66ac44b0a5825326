import type { Job } from '@comfy-fleet/client';
import { QueryClient, QueryObserver } from '@tanstack/react-query';
import { describe, expect, it } from 'vitest';
import { filterOf, metadataFault, NO_FILTERS, readFilters } from '../../src/gallery/filters.js';
import { jobsToFollow, RECENT, updateCachedJob } from '../../src/jobs/recent-jobs.js';
import { higherLods, stateOf } from '../../src/jobs/words.js';

const job = (part: Partial<Job>) => part as Job;

describe('the filters of the gallery', () => {
  it('are read from the address, and filter nothing when they are empty', () => {
    expect(filterOf(readFilters(new URLSearchParams('')))).toEqual({});
    const filters = readFilters(new URLSearchParams('status=failed&metadata=order%3D7'));
    expect(filterOf(filters)).toEqual({ status: 'failed', metadata: { order: '7' } });
  });

  it('explain why metadata without a name and value is not applied', () => {
    const texts = ['', '  ', 'order=7', 'order=', 'order', '=7'];
    expect(texts.filter((text) => metadataFault(text) === undefined)).toEqual(['', '  ', 'order=7', 'order=']);
    expect(metadataFault('order')).toContain('name=value');
    expect(filterOf({ ...NO_FILTERS, metadata: 'order' })).toEqual({});
  });

  it('cover whole days, and ignore half-typed ones', () => {
    const { created_after, created_before } = filterOf({ ...NO_FILTERS, from: '2026-11-27', to: '2026-11-27' });
    expect(Date.parse(created_before ?? '') - Date.parse(created_after ?? '')).toBe(24 * 3600 * 1000 - 1);
    expect(filterOf({ ...NO_FILTERS, from: '2026-1' })).toEqual({});
  });
});

describe('the description of a job', () => {
  it('has its queue position and when it will be ready', () => {
    const waiting = { status: 'queued', waiting_for: null, queue_position: 3, eta_seconds: 12.4 } as const;
    expect(stateOf(job(waiting))).toBe('3 before it, ready in about 12 s');
    expect(stateOf(job({ ...waiting, queue_position: 0, eta_seconds: null }))).toBe('Next in line');
    const reason = { code: 'no_instance', detail: 'No instance is up.' } as const;
    expect(stateOf(job({ ...waiting, waiting_for: reason }))).toBe('No instance is up.');
  });

  it('lists the higher levels of detail', () => {
    const made = { status: 'succeeded', images: [{}] } as unknown as Job;
    expect(higherLods({ ...made, lod: 'sketch' })).toEqual(['mid', 'final']);
    expect(higherLods({ ...made, lod: 'direct_final' })).toEqual([]);
    expect(higherLods({ ...made, lod: null })).toEqual([]);
    expect(higherLods({ ...made, lod: 'sketch', status: 'failed' })).toEqual([]);
  });
});

describe('the jobs that are followed', () => {
  it('are the running ones, then the oldest waiting ones, as many as a browser has connections for', () => {
    const at = (id: string, status: Job['status'], created_at: string) => job({ id, status, created_at });
    const jobs = [
      at('e', 'queued', '5'),
      at('d', 'running', '4'),
      at('c', 'queued', '3'),
      at('b', 'queued', '2'),
      at('a', 'succeeded', '1'),
    ];
    expect([...jobsToFollow(jobs)]).toEqual(['d', 'b', 'c']);
  });
});

const jobNamed = (id: string, status: Job['status']) => ({ id, status }) as Job;

/** Observes the newest jobs. Each request waits in `asked` for its answer. */
function observeRecent(queries: QueryClient) {
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

it('ignores answers to requests that were sent before a job was updated', async () => {
  const queries = new QueryClient();
  const { asked, seen, now } = observeRecent(queries);
  updateCachedJob(queries, jobNamed('b', 'running'));
  asked[0]?.([jobNamed('b', 'queued'), jobNamed('a', 'succeeded')]);
  await expect.poll(() => asked.length).toBe(2);
  expect(now()).toEqual([jobNamed('b', 'running')]);
  asked[1]?.([jobNamed('b', 'running'), jobNamed('a', 'succeeded')]);
  await expect.poll(now).toHaveLength(2);
  expect(seen.flatMap((jobs = []) => jobs)).not.toContainEqual(jobNamed('b', 'queued'));
});

it('sends no request if none was under way', async () => {
  const queries = new QueryClient();
  const { asked, now } = observeRecent(queries);
  asked[0]?.([jobNamed('a', 'running')]);
  await expect.poll(now).toBeDefined();
  updateCachedJob(queries, jobNamed('a', 'succeeded'));
  updateCachedJob(queries, jobNamed('b', 'queued'));
  expect(now()).toEqual([jobNamed('b', 'queued'), jobNamed('a', 'succeeded')]);
  expect(asked).toHaveLength(1);
});
