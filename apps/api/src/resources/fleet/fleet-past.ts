import { type FleetHistory, type FleetTimeline, fleetPastQuerySchema, MOST_PAST_MINUTES } from '@comfy-fleet/contracts';
import type { Deps } from '../../deps.js';
import { presentTimeline } from '../../fleet/timeline.js';
import type { Handler } from '../../server/messages.js';
import { createQueryReader } from '../../server/validator.js';

/** Of one instance: about two on each pixel of a small screen are one to the eye. */
const MOST_STRETCHES = 500;
/** Of all instances: an answer has some 2 MB then, and 3.5 MB if every name in it is as long as it may be. */
const MOST_STRETCHES_IN_ALL = 10_000;

/** What each instance executed, and when. */
export function fleetTimeline({ ledger, config }: Pick<Deps, 'ledger' | 'config'>): Handler {
  const read = createQueryReader(fleetPastQuerySchema);
  return async ({ query }) => {
    const { minutes = MOST_PAST_MINUTES } = read(query);
    const wish = { minutes, most: config.past.timelineEntries };
    const { from, till, size, pages } = await ledger.fleet.timeline(wish);
    const most = Math.max(1, Math.min(MOST_STRETCHES, Math.floor(MOST_STRETCHES_IN_ALL / Math.max(1, size))));
    const instances: FleetTimeline['instances'] = [];
    for await (const page of pages) {
      for (const { instance, executions, isCut } of page) {
        instances.push({ instance, stretches: presentTimeline(executions, { from, till, most }), cut: isCut });
      }
    }
    const body: FleetTimeline = { from: isoTime(from), to: isoTime(till), instances };
    return { status: 200, body };
  };
}

/** How the fleet fared, sample by sample. */
export function fleetHistory({ ledger, config }: Pick<Deps, 'ledger' | 'config'>): Handler {
  const read = createQueryReader(fleetPastQuerySchema);
  return async ({ query }) => {
    const { minutes = MOST_PAST_MINUTES } = read(query);
    const steps = await ledger.fleet.history(minutes);
    const body: FleetHistory = {
      step_seconds: config.past.stepSeconds,
      samples: steps.map(({ at, waiting, running, succeeded, failed, canceled, instancesUp, gpuSeconds }) => ({
        at: isoTime(at),
        waiting,
        running,
        completed: succeeded,
        failed,
        canceled,
        instances_up: instancesUp,
        gpu_seconds: { ...gpuSeconds },
      })),
    };
    return { status: 200, body };
  };
}

function isoTime(ms: number): string {
  return new Date(ms).toISOString();
}
