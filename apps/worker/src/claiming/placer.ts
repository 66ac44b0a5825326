import type { Claim, ClaimSource } from '@comfy-fleet/jobs';
import { inTraceOf, type Logger } from '@comfy-fleet/telemetry';
import type { LimitFunction } from 'p-limit';
import pLimit from 'p-limit';
import { canRun, modelsOfJob } from '../instance/known-workflows.js';
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
  /** Aborts when no more jobs may begin. */
  readonly stopping: AbortSignal;
}

/**
 * `begun`: it runs in a slot. `given back`: there was no slot, or another worker should have it. `unable`: no instance
 * here can run it.
 */
export type Placed = 'begun' | 'given back' | 'unable';

export interface Placer {
  /**
   * Runs the job in a slot, preferably of the instance it was claimed for, or gives it back. Never leaves a claim
   * without an owner.
   */
  place(claim: Claim, chosenFor?: Slots): Promise<Placed>;
  /** One promise for each job that runs. */
  readonly running: ReadonlySet<Promise<void>>;
}

export function createPlacer({ worker, allSlots, tools, adoptWaitMs, stopping }: PlacerOptions): Placer {
  const { log } = tools;
  const running = new Set<Promise<void>>();

  const placeOrRelease = async (claim: Claim, chosenFor: Slots | undefined): Promise<Placed> => {
    const { record } = claim;
    // If it cannot be read now, submitting the job reports why.
    await tools.workflows
      .load(record, stopping)
      .catch((error: unknown) => log.debug('could not read a workflow', { error }));
    const able = ({ instance }: Slots) => canRun(record, instance, tools.workflows);
    const others = () => tools.countOthers(record, record.faults);
    const leastVram = () => tools.leastVram(record.faults);
    const placement = stopping.aborted
      ? { releaseMs: 0, reason: 'the worker stops' }
      : await placeJob(record, allSlots, { worker, adoptWaitMs, leastVram, able, others, chosenFor });
    if ('slots' in placement) {
      placement.slots.instance.models.use(modelsOfJob(tools.workflows, record.request));
      const run = runJob(claim, placement.slots, tools).finally(() => running.delete(run));
      running.add(run);
      return 'begun';
    }
    const { releaseMs, reason } = placement;
    log.info('job goes back to the queue', { job: record.id, reason, delay_ms: releaseMs });
    await claim.release(releaseMs);
    return 'unable' in placement ? 'unable' : 'given back';
  };

  return {
    running,
    place: async (claim, chosenFor) => {
      try {
        return await inTraceOf(claim.record.traceparent, () => placeOrRelease(claim, chosenFor));
      } catch (error) {
        // Otherwise its lock would be renewed as long as this process lives.
        claim.letGo();
        throw error;
      }
    },
  };
}

interface LeftBehind {
  readonly sources: readonly ClaimSource[];
  readonly place: (claim: Claim) => Promise<unknown>;
  /** Shared with the claim loops: one of them claims at a time. */
  readonly mutex: LimitFunction;
  readonly log: Logger;
}

/**
 * Claims the jobs that belong to this worker but that this process does not hold; see ClaimSource. Call it before
 * anything else is claimed, when there may be such a job, and repeatedly.
 */
export function createLeftBehind({ sources, place, mutex, log }: LeftBehind): () => Promise<void> {
  const once = pLimit(1);
  return () =>
    once(async () => {
      for (const source of sources) {
        for await (const claim of source.leftBehind()) {
          await mutex(() => place(claim)).catch((error: unknown) => log.error('could not place a job', { error }));
        }
      }
    });
}
