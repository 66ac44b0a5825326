import type { Claim } from '@comfy-fleet/jobs';
import { inTraceOf, type Logger } from '@comfy-fleet/telemetry';
import type { Lane } from '../instance/lanes.js';
import { HeldJob } from '../job/held-job.js';
import { runJob } from '../job/run-job.js';
import { noteWait } from '../job/spans.js';
import type { Tools } from '../tools.js';
import { canRun } from './can-run.js';
import { placeJob } from './placement.js';

interface PlacerOptions {
  /** The worker's name. */
  readonly worker: string;
  readonly lanes: readonly Lane[];
  readonly tools: Tools;
  readonly adoptWaitMs: number;
  /** Aborts when no job is begun any more. */
  readonly stopping: AbortSignal;
  /** Aborts when no job may go on. */
  readonly ending: AbortSignal;
  /** To be called when a lane may have got a free place. */
  readonly changed: () => void;
  readonly log: Logger;
}

/** It was begun; it was given back for want of a place or for its own worker; no lane here can run it. */
export type Placed = 'begun' | 'given back' | 'unable';

export interface Placer {
  /** Begins the job on a lane, or gives it back; never leaves a claim without an owner. */
  place(claim: Claim): Promise<Placed>;
  /** One for each job that was begun and is not over. */
  readonly running: ReadonlySet<Promise<void>>;
}

export function createPlacer(options: PlacerOptions): Placer {
  const { worker, lanes, tools, adoptWaitMs, stopping, ending, changed, log } = options;
  const running = new Set<Promise<void>>();

  const begin = (claim: Claim, lane: Lane) => {
    const job = new HeldJob(claim, lane, log, ending);
    if (claim.record.submissions === 0) noteWait(job);
    const run = runJob(job, tools, changed).finally(() => {
      // A lane that still waits for it would wait for ever.
      job.endTakeBack();
      job.lane.leave(job);
      running.delete(run);
      changed();
    });
    running.add(run);
  };

  const placeOrRelease = async (claim: Claim): Promise<Placed> => {
    const able = (lane: Lane) => canRun(claim.record, lane.instance, tools.workflows);
    const others = () => tools.whoElse(claim.record, claim.record.faults);
    const placement = stopping.aborted
      ? { releaseMs: 0, because: 'the worker stops' }
      : await placeJob(claim.record, lanes, { worker, adoptWaitMs, largestVram: tools.largestVram, able, others });
    if ('lane' in placement) {
      begin(claim, placement.lane);
      return 'begun';
    }
    const { releaseMs, because } = placement;
    log.info('job goes back to the queue', { job: claim.record.id, because, delay_ms: releaseMs });
    await claim.release(releaseMs);
    return 'unable' in placement ? 'unable' : 'given back';
  };

  return {
    running,
    place: async (claim) => {
      try {
        return await inTraceOf(claim.record.traceparent, () => placeOrRelease(claim));
      } catch (error) {
        // Its lock would be renewed for as long as this process lives.
        claim.letGo();
        throw error;
      }
    },
  };
}
