import { LODS, type LodList } from '@comfy-fleet/contracts';
import type { Deps } from '../../deps.js';
import type { Handler } from '../../server/messages.js';

/** The levels of detail, the quickest first, as lod-profiles.json has them. */
export function lods({ workflows }: Deps): Handler {
  return () => {
    const data = LODS.map((lod) => {
      const { deadlineSeconds, ...profile } = workflows.profiles[lod];
      return { lod, ...profile, deadline_seconds: deadlineSeconds };
    });
    const body: LodList = { default: 'mid', data };
    return { status: 200, body };
  };
}
