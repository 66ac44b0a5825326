import type { Job } from '@comfy-fleet/client';
import { FleetError } from '@comfy-fleet/client';
import { useQuery } from '@tanstack/react-query';
import { useFleet } from '../session/session.js';

/** Of one job: what it was made from, the oldest first, and what was made from it. */
export interface FamilyOfJob {
  readonly above: readonly Job[];
  readonly below: readonly Job[];
}

const NOBODY: FamilyOfJob = { above: [], below: [] };
/** A chain of pictures is a few rungs long; of `again` it may be any length. */
const MOST_ABOVE = 12;

export function useFamily(job: Job): FamilyOfJob {
  const fleet = useFleet();
  const { data = NOBODY } = useQuery({
    queryKey: ['family', job.id],
    queryFn: async ({ signal }): Promise<FamilyOfJob> => {
      const above: Job[] = [];
      for (let parent = job.parent; parent !== null && above.length < MOST_ABOVE; parent = above[0]?.parent ?? null) {
        const found = await fleet.jobs.get(parent.id, { signal }).catch(gone);
        if (found === undefined) break;
        above.unshift(found.snapshot);
      }
      const later = await fleet.jobs.page({ created_after: job.created_at, limit: 100 }, { signal });
      const below = later.jobs.map(({ snapshot }) => snapshot).filter(({ parent }) => parent?.id === job.id);
      return { above, below: below.toReversed() };
    },
  });
  return data;
}

/** Jobs are deleted, and their children stay. */
function gone(error: unknown): undefined {
  if (error instanceof FleetError && error.status === 404) return undefined;
  throw error;
}
