import type { Claim } from '@comfy-fleet/jobs';
import { inTraceOf } from '@comfy-fleet/telemetry';
import { canRun, modelsOfJob } from '../instance/can-run.js';
import { runJob } from '../job/run-job.js';
import type { Tools } from '../job/tools.js';
import type { Slots } from '../slots/slots.js';
import { placeJob } from './placement.js';

interface PlacerOptions {
  /** The worker's name. */
  readonly worker: string;
  readonly allSlots: readonly Slots[];
  readonly tools: Tools;
  readonly adoptWaitMs: number;
  /** Aborts when no job is begun any more. */
  readonly stopping: AbortSignal;
}

/** It was begun; it was given back for want of a slot or for its own worker; no instance here can run it. */
export type Placed = 'begun' | 'given back' | 'unable';

export interface Placer {
  /**
   * Begins the job in a slot, of the instance for which it was claimed if that can be, or gives it back; never leaves a
   * claim without an owner.
   */
  place(claim: Claim, chosenFor?: Slots): Promise<Placed>;
  /** One for each job that was begun and is not over. */
  readonly running: ReadonlySet<Promise<void>>;
}

export function createPlacer({ worker, allSlots, tools, adoptWaitMs, stopping }: PlacerOptions): Placer {
  const { log } = tools;
  const running = new Set<Promise<void>>();

  const placeOrRelease = async (claim: Claim, chosenFor: Slots | undefined): Promise<Placed> => {
    const { record } = claim;
    // What cannot be read now is left to its submission.
    await tools.workflows
      .load(record.request, stopping)
      .catch((error: unknown) => log.debug('a workflow was not read', { error }));
    const able = ({ instance }: Slots) => canRun(record, instance, tools.workflows);
    const others = () => tools.whoElse(record, record.faults);
    const leastVram = () => tools.leastVram(record.faults);
    const placement = stopping.aborted
      ? { releaseMs: 0, because: 'the worker stops' }
      : await placeJob(record, allSlots, { worker, adoptWaitMs, leastVram, able, others, chosenFor });
    if ('slots' in placement) {
      placement.slots.instance.models.use(modelsOfJob(tools.workflows, record.request));
      const run = runJob(claim, placement.slots, tools).finally(() => running.delete(run));
      running.add(run);
      return 'begun';
    }
    const { releaseMs, because } = placement;
    log.info('job goes back to the queue', { job: record.id, because, delay_ms: releaseMs });
    await claim.release(releaseMs);
    return 'unable' in placement ? 'unable' : 'given back';
  };

  return {
    running,
    place: async (claim, chosenFor) => {
      try {
        return await inTraceOf(claim.record.traceparent, () => placeOrRelease(claim, chosenFor));
      } catch (error) {
        // Its lock would be renewed for as long as this process lives.
        claim.letGo();
        throw error;
      }
    },
  };
}
