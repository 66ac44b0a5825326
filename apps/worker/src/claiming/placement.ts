import type { JobRecord } from '@comfy-fleet/jobs';
import { subjectOf } from '../instance/scope.js';
import type { Slots } from '../slots/slots.js';

/** What happens to a claimed job: it gets a slot of an instance here, or it goes back to the queue for a while. */
export type Placement =
  | { readonly slots: Slots }
  /** `unable`: no instance here can run it, or all that could rest for it. */
  | { readonly releaseMs: number; readonly reason: string; readonly unable?: true };

export interface PlacementRules {
  /** The worker's name. */
  readonly worker: string;
  /** How long a job is left to another worker whose instance may still have the submission. */
  readonly adoptWaitMs: number;
  /** The least GPU memory that the job needs, in bytes. */
  readonly leastVram: () => Promise<number>;
  /** The slots for which the job was claimed; undefined: it was not claimed for one of our instances. */
  readonly chosenFor?: Slots | undefined;
  /** Whether the instance has the nodes and models that the job needs. */
  readonly able: (slots: Slots) => boolean;
  /** How many other instances of the fleet can try the job and did not fail it. */
  readonly others: () => Promise<number>;
  readonly random?: () => number;
}

/** Short, so that the other worker gets the job soon after it is back. */
const ADOPT_RETRY_MS = 500;
const SHORTEST_RELEASE_MS = 250;
const LONGEST_RELEASE_MS = 10_000;

/**
 * Chooses the slots for a claimed job. If one of our instances may still have its submission, the job goes there. If
 * another worker's instance may have it, the job is left to that worker for a time. Otherwise it goes to the instance
 * for which it was claimed, else to an idle one, else to one with a free slot behind its running prompt. The instance
 * that lost or failed it comes last.
 */
export async function placeJob(record: JobRecord, all: readonly Slots[], rules: PlacementRules): Promise<Placement> {
  if (record.promptId !== null) {
    const holder = all.find(({ instance }) => instance.name === record.instance);
    if (holder !== undefined) return { slots: holder };
    // An instance of this worker that is missing was removed from the settings, so no worker will reach it.
    if (!isOfWorker(record, rules.worker) && (record.orphanedMs ?? 0) < rules.adoptWaitMs) {
      return { releaseMs: ADOPT_RETRY_MS, reason: 'another worker may still have its submission' };
    }
  }
  const able = all.filter(rules.able);
  if (able.length === 0)
    return { releaseMs: shortOrLonger(record, rules), reason: 'no instance here can run it', unable: true };
  const least = record.ooms >= 2 ? await rules.leastVram() : 0;
  const large = able.filter(({ instance }) => instance.vram >= least);
  if (large.length === 0)
    return { releaseMs: shortOrLonger(record, rules), reason: 'it needs a GPU with more memory', unable: true };
  const subject = subjectOf(record);
  const willing = large.filter(({ instance }) => instance.health.permits(subject) !== 'no');
  const fresh = willing.filter(({ instance }) => !record.faults.some((fault) => fault.instance === instance.name));
  // An instance that failed it tries it again only when no other one can.
  const taking = fresh.length > 0 || record.faults.length === 0 || (await rules.others()) > 0 ? fresh : willing;
  const slots = pick(taking, record, rules.chosenFor);
  if (slots !== undefined) return { slots };
  if (willing.length > 0 && taking.length === 0) {
    return { releaseMs: ADOPT_RETRY_MS, reason: 'it failed here, and another instance is to try it', unable: true };
  }
  if (large.some(({ freeSlots }) => freeSlots > 0)) {
    const reason = 'no instance here that has a slot for it is trusted with it';
    // Retry soon if a suitable instance is only busy.
    return { releaseMs: taking.length > 0 ? SHORTEST_RELEASE_MS : shortOrLonger(record, rules), reason, unable: true };
  }
  return { releaseMs: SHORTEST_RELEASE_MS, reason: 'every instance here is busy' };
}

/**
 * Prefers other instances than the last one, and idle instances to slots behind a prompt. An instance that is due for a
 * trial comes first; otherwise nothing would show that it has recovered.
 */
function pick(all: readonly Slots[], record: JobRecord, chosenFor: Slots | undefined): Slots | undefined {
  const others = all.filter(({ instance }) => instance.name !== record.instance);
  const inOrder = [...others, ...all];
  const isTrial = ({ instance }: Slots) => instance.health.permits(subjectOf(record)) === 'trial';
  return (
    inOrder.find((slots) => slots.isIdle && isTrial(slots)) ??
    others.find((slots) => slots === chosenFor && slots.freeSlots > 0) ??
    inOrder.find(({ isIdle }) => isIdle) ??
    inOrder.find(({ freeSlots }) => freeSlots > 0)
  );
}

function isOfWorker({ instance }: JobRecord, worker: string): boolean {
  return instance !== null && instance.slice(0, instance.lastIndexOf('/')) === worker;
}

/** The delay of a job that no instance of this worker can run: random, and longer with each claim. */
function shortOrLonger({ claim }: JobRecord, { random = Math.random }: PlacementRules): number {
  const longest = Math.min(LONGEST_RELEASE_MS, SHORTEST_RELEASE_MS * 2 ** Math.min(claim, 10));
  return Math.round(SHORTEST_RELEASE_MS + (longest - SHORTEST_RELEASE_MS) * random());
}
