import type { InstanceRest } from '@comfy-fleet/contracts';
import type { WorkerLedger } from '@comfy-fleet/jobs';
import { GRAPH } from '@comfy-fleet/workflows';
import type { Instance } from './instance.js';
import type { RestLimits } from './suspicion.js';

/** Instances that a key's own graphs may kill within an hour before they rest. */
const KILLS_TO_REST = 2;

/**
 * The own graphs of keys that killed instances rest on every instance of the fleet, longer after each further kill. Kills
 * during a rest come from jobs that had begun before it, so they do not prolong it.
 */
export function restsAfterKills(
  kills: ReadonlyMap<string, readonly number[]>,
  { firstRestMs, longestRestMs }: Pick<RestLimits, 'firstRestMs' | 'longestRestMs'>,
  now: number,
): InstanceRest[] {
  return [...kills].flatMap(([key, times]) => {
    let until = Number.NEGATIVE_INFINITY;
    let count = 0;
    for (const at of times.slice(KILLS_TO_REST - 1)) {
      if (at < until) continue;
      until = at + Math.min(longestRestMs, firstRestMs * 2 ** count);
      count += 1;
    }
    if (now >= until) return [];
    const error = `${times.length} ComfyUI instances died or fell silent within an hour while they executed graphs of this key.`;
    return [{ scope: { key, workflow: GRAPH }, until, count, code: 'instance_killed', error }];
  });
}

interface KillWatchOptions {
  readonly kills: WorkerLedger['kills'];
  readonly instances: readonly Pick<Instance, 'health'>[];
  readonly limits: RestLimits;
}

/** Imposes these rests on our instances: to be called again and again. */
export function createKillWatch({ kills, instances, limits }: KillWatchOptions): () => Promise<void> {
  return async () => {
    const rests = restsAfterKills(await kills(), limits, Date.now());
    for (const { health } of instances) health.impose(rests);
  };
}
