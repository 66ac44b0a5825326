import type { JobRecord } from '@comfy-fleet/jobs';
import { subjectOf } from '../instance/scope.js';
import type { Slots } from '../slots/slots.js';

/** What becomes of a claimed job: an instance here has a slot for it, or it goes back for a while. */
export type Placement =
  | { readonly slots: Slots }
  /** `unable`: no instance here can run it, or none that could is trusted with it now. */
  | { readonly releaseMs: number; readonly because: string; readonly unable?: true };

export interface PlacementRules {
  /** This worker's name. */
  readonly worker: string;
  /** How long a submission that another worker's instance may still have is left to that worker. */
  readonly adoptWaitMs: number;
  /** The memory that an instance needs at least, in bytes. */
  readonly leastVram: () => Promise<number>;
  /** For which it was claimed, if for one of ours. */
  readonly chosenFor?: Slots | undefined;
  /** Whether the instance has the nodes and models that the job needs. */
  readonly able: (slots: Slots) => boolean;
  /** How many other instances of the fleet can try the job, where it has not failed. */
  readonly others: () => Promise<number>;
  readonly random?: () => number;
}

/** Short, so that the worker it is left to has it soon when it is back. */
const ADOPT_RETRY_MS = 500;
const SHORTEST_RELEASE_MS = 250;
const LONGEST_RELEASE_MS = 10_000;

/**
 * Which instance's slots a claimed job goes to. A submission that one of our instances may still have goes there whatever else is
 * there; one of another worker's instance is left to that worker for a time. Otherwise the instance for which it was claimed,
 * else an idle one, else one with a slot free behind what executes; the instance that lost or failed it comes last.
 */
export async function placeJob(record: JobRecord, all: readonly Slots[], rules: PlacementRules): Promise<Placement> {
  if (record.promptId !== null) {
    const holder = all.find(({ instance }) => instance.name === record.instance);
    if (holder !== undefined) return { slots: holder };
    // An instance of this worker that is not there was taken out of its settings, and nobody will reach it any more.
    if (!isOfWorker(record, rules.worker) && (record.orphanedMs ?? 0) < rules.adoptWaitMs) {
      return { releaseMs: ADOPT_RETRY_MS, because: 'another worker may still have its submission' };
    }
  }
  const able = all.filter(rules.able);
  if (able.length === 0)
    return { releaseMs: shortOrLonger(record, rules), because: 'no instance here can run it', unable: true };
  const least = record.ooms >= 2 ? await rules.leastVram() : 0;
  const large = able.filter(({ instance }) => instance.vram >= least);
  if (large.length === 0)
    return { releaseMs: shortOrLonger(record, rules), because: 'it needs a GPU with more memory', unable: true };
  const subject = subjectOf(record);
  const willing = large.filter(({ instance }) => instance.health.permits(subject) !== 'no');
  const fresh = willing.filter(({ instance }) => !record.faults.some((fault) => fault.instance === instance.name));
  // Where it failed it is tried again only when nobody else can try it.
  const taking = fresh.length > 0 || record.faults.length === 0 || (await rules.others()) > 0 ? fresh : willing;
  const slots = pick(taking, record, rules.chosenFor);
  if (slots !== undefined) return { slots };
  if (willing.length > 0 && taking.length === 0) {
    return { releaseMs: ADOPT_RETRY_MS, because: 'it failed here, and another instance is to try it', unable: true };
  }
  if (large.some(({ freeSlots }) => freeSlots > 0)) {
    const because = 'no instance here that has a slot for it is trusted with it';
    // Soon, when one that is trusted is only busy.
    return { releaseMs: taking.length > 0 ? SHORTEST_RELEASE_MS : shortOrLonger(record, rules), because, unable: true };
  }
  return { releaseMs: SHORTEST_RELEASE_MS, because: 'every instance here is busy' };
}

/**
 * What failed on one instance is tried on another; behind another prompt only when no instance is idle. One that is due
 * for a trial comes first, or it would never be found out that it has recovered.
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

/** Longer with every claim, up to the longest, with jitter: nobody here can do more than wait. */
function shortOrLonger({ claim }: JobRecord, { random = Math.random }: PlacementRules): number {
  const longest = Math.min(LONGEST_RELEASE_MS, SHORTEST_RELEASE_MS * 2 ** Math.min(claim, 10));
  return Math.round(SHORTEST_RELEASE_MS + (longest - SHORTEST_RELEASE_MS) * random());
}
