import type { Job } from '@comfy-fleet/client';
import { FleetError } from '@comfy-fleet/client';
import { useQuery } from '@tanstack/react-query';
import { useJobs } from '../jobs/use-jobs.js';
import { useFleet } from '../session/session.js';

/** Of one job: what it was made from, the oldest first, and what was made from it, the newest first. */
export interface FamilyOfJob {
  readonly above: readonly Job[];
  readonly below: readonly Job[];
  /** Undefined: these are all that were made from it. */
  readonly more: (() => void) | undefined;
}

/** A chain of pictures is a few rungs long; of `again` it may be any length. */
const MOST_ABOVE = 12;

export function useFamily(job: Job): FamilyOfJob {
  const fleet = useFleet();
  const { data: above = [] } = useQuery({
    queryKey: ['family', job.id],
    queryFn: async ({ signal }): Promise<readonly Job[]> => {
      const found: Job[] = [];
      for (let parent = job.parent; parent !== null && found.length < MOST_ABOVE; parent = found[0]?.parent ?? null) {
        const handle = await fleet.jobs.get(parent.id, { signal }).catch(gone);
        if (handle === undefined) break;
        found.unshift(handle.snapshot);
      }
      return found;
    },
  });
  const { jobs: below, hasNextPage, fetchNextPage } = useJobs({ parent: job.id });
  return { above, below, more: hasNextPage ? () => void fetchNextPage() : undefined };
}

/** Jobs are deleted, and their children stay. */
function gone(error: unknown): undefined {
  if (error instanceof FleetError && error.status === 404) return undefined;
  throw error;
}
