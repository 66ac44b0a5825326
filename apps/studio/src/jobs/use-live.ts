import type { Job, JobProgress } from '@comfy-fleet/client';
import { useEffect, useState } from 'react';
import { useFleet } from '../session/session.js';
import { useKeepJob } from './use-recent.js';

export interface Live {
  readonly progress: JobProgress | undefined;
  /** The unfinished picture, as a data: URL. */
  readonly preview: string | undefined;
}

const NOTHING: Live = { progress: undefined, preview: undefined };

/** What a job tells of itself while it is followed. */
export function useLive(job: Job, isFollowed: boolean): Live {
  const fleet = useFleet();
  const keep = useKeepJob();
  const [live, setLive] = useState(NOTHING);
  const { id } = job;
  // biome-ignore lint/correctness/useExhaustiveDependencies: a newer snapshot of the same job is no reason to begin anew
  useEffect(() => {
    if (!isFollowed) return;
    const leaving = new AbortController();
    const follow = async () => {
      for await (const { type, data } of fleet.jobs.from(job).events({ signal: leaving.signal })) {
        if (type === 'status') keep(data);
        else if (type === 'progress') setLive((before) => ({ ...before, progress: data }));
        else if (type === 'preview') {
          const preview = `data:${data.content_type};base64,${data.data}`;
          setLive((before) => ({ ...before, preview }));
        }
      }
    };
    follow().catch(() => {}); // the list goes on telling of it
    return () => leaving.abort();
  }, [id, isFollowed, fleet, keep]);
  return live;
}

/** Browsers open six connections to a server that speaks HTTP/1.1, and some are needed for all else. */
const MOST_FOLLOWED = 3;

/** The jobs to follow one by one: what runs first, then what was made first. */
export function followedOf(jobs: readonly Job[]): ReadonlySet<string> {
  const open = jobs.filter(({ status }) => status === 'running' || status === 'queued');
  const order = (job: Job) => (job.status === 'running' ? 0 : 1);
  const sorted = open.toSorted((a, b) => order(a) - order(b) || a.created_at.localeCompare(b.created_at));
  return new Set(sorted.slice(0, MOST_FOLLOWED).map(({ id }) => id));
}
