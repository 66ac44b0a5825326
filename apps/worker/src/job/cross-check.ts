import type { ErrorCode, FleetError } from '@comfy-fleet/contracts';
import type { InstanceFault } from '@comfy-fleet/jobs';

/** What is known of an error of a job by its kind. */
interface Kind {
  /** It is the machine's fault, as far as one can tell. */
  readonly certain: boolean;
  /** Where no other instance can try the job it waits until this one has recovered. */
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

/** Faults kept on a job's record. */
export const MOST_FAULTS = 8;
/** Times a job may fail for the machine's fault where nothing failed before, until it is held to be the cause. */
const MOST_UNSUSPECTED = 3;

export interface Ruling {
  readonly ruling: 'fail' | 'elsewhere' | 'wait';
  /** Instances, this one included, where it failed alike, when that is why it fails. */
  readonly alikeOn: readonly string[];
}

/**
 * What becomes of a job that failed for what may be an instance's fault. `faults` are those on its record and, last, this
 * one; `others` is how many instances can try it where it has not failed.
 */
export function ruleOn(faults: readonly InstanceFault[], others: number): Ruling {
  const last = faults.at(-1) as InstanceFault;
  const { certain, waits } = KINDS[last.code as FaultCode];
  const alike = faults.filter((fault) => isAlike(fault, last));
  const alikeOn = [...new Set(alike.map(({ instance }) => instance))];
  const fail = { ruling: 'fail', alikeOn: alikeOn.length > 1 ? alikeOn : [] } as const;
  if (certain) {
    // A failure where others failed as well says nothing of the job.
    const telling = alike.filter(({ suspect }) => !suspect);
    const tellingOn = new Set(telling.map(({ instance }) => instance)).size;
    if (telling.length >= MOST_UNSUSPECTED || (others === 0 && tellingOn > 1)) return fail;
    if (others > 0) return { ruling: 'elsewhere', alikeOn: [] };
    return waits ? { ruling: 'wait', alikeOn: [] } : fail;
  }
  if (alikeOn.length > 1 || !last.suspect) return fail;
  if (others > 0 && faults.length < MOST_FAULTS) return { ruling: 'elsewhere', alikeOn: [] };
  // Once more where it failed, when that has been tried with another job.
  const isAgain = faults.slice(0, -1).some(({ instance }) => instance === last.instance);
  return isAgain ? fail : { ruling: 'wait', alikeOn: [] };
}

/** Known kinds are alike by their code: their words differ with what the GPU did at that moment. */
function isAlike(one: InstanceFault, other: InstanceFault): boolean {
  return one.code === other.code && (KINDS[one.code as FaultCode].certain || one.print === other.print);
}

const PRINT_CHARS = 120;

/** What two errors have in common that are the same but for numbers and addresses in their words. */
export function printOf({ detail }: FleetError): string {
  return detail.replace(/0x[0-9a-f]+|\d+/gi, '#').slice(0, PRINT_CHARS);
}
