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
