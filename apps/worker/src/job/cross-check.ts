import type { ErrorCode, FleetError } from '@comfy-fleet/contracts';
import type { InstanceFault } from '@comfy-fleet/jobs';

/** What the kind of an error says about its cause. */
interface Kind {
  /** The machine is at fault, as far as one can tell. */
  readonly certain: boolean;
  /** If no other instance can try the job, it waits until this one has recovered. */
  readonly waits: boolean;
}

/** Errors that may be the instance's fault. */
export const KINDS = {
  gpu_failed: { certain: true, waits: true },
  instance_io_failed: { certain: true, waits: true },
  model_unreadable: { certain: true, waits: true },
  library_missing: { certain: true, waits: false },
  node_execution_error: { certain: false, waits: false },
} as const satisfies Partial<Record<ErrorCode, Kind>>;

export type FaultCode = keyof typeof KINDS;

/** How many faults a job's record keeps. */
export const MOST_FAULTS = 8;
/** A job is at fault after it failed this often with an error of the machine on instances where nothing else failed. */
const MOST_UNSUSPECTED = 3;

export interface Ruling {
  readonly ruling: 'fail' | 'elsewhere' | 'wait';
  /** The instances where it failed alike, including this one, if that is why it fails. */
  readonly alikeOn: readonly string[];
}

/**
 * Decides what happens to a job whose failure may be an instance's fault. `faults` are those on its record and, last,
 * this one; `others` is how many other instances can try it.
 */
export function crossCheckRuling(faults: readonly InstanceFault[], others: number): Ruling {
  const last = faults.at(-1) as InstanceFault;
  const { certain, waits } = KINDS[last.code as FaultCode];
  const alike = faults.filter((fault) => isAlike(fault, last));
  const alikeOn = [...new Set(alike.map(({ instance }) => instance))];
  const fail = { ruling: 'fail', alikeOn: alikeOn.length > 1 ? alikeOn : [] } as const;
  if (certain) {
    // A failure on an instance where other jobs failed as well is no evidence against the job.
    const telling = alike.filter(({ suspect }) => !suspect);
    const tellingOn = new Set(telling.map(({ instance }) => instance)).size;
    if (telling.length >= MOST_UNSUSPECTED || (others === 0 && tellingOn > 1)) return fail;
    if (others > 0) return { ruling: 'elsewhere', alikeOn: [] };
    return waits ? { ruling: 'wait', alikeOn: [] } : fail;
  }
  if (alikeOn.length > 1 || !last.suspect) return fail;
  if (others > 0 && faults.length < MOST_FAULTS) return { ruling: 'elsewhere', alikeOn: [] };
  // It may run once more where it failed, after another job was tried there.
  const isAgain = faults.slice(0, -1).some(({ instance }) => instance === last.instance);
  return isAgain ? fail : { ruling: 'wait', alikeOn: [] };
}

/** For faults of the machine the code decides, because their texts depend on what the GPU did at that moment. */
function isAlike(one: InstanceFault, other: InstanceFault): boolean {
  return one.code === other.code && (KINDS[one.code as FaultCode].certain || one.print === other.print);
}

const PRINT_CHARS = 120;

/** Equal for errors whose texts differ only in numbers and addresses. */
export function printOf({ detail }: FleetError): string {
  return detail.replace(/0x[0-9a-f]+|\d+/gi, '#').slice(0, PRINT_CHARS);
}
