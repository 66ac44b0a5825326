import type { FleetError } from '@comfy-fleet/contracts';

/**
 * Takes an amount for a key until the signal aborts; `undefined` is a caller without a limit of its own. Returns a function that
 * reports how much is in use; what exceeds the amount is taken, too. Both throw the refusal, and the signal's reason.
 */
export type Quota = (key: string | undefined, amount: number, signal: AbortSignal) => (used: number) => void;

interface QuotaOptions {
  readonly most: number;
  readonly mostOfKey: number;
  /** What each key may take even when others have taken the rest. */
  readonly reservedForKey?: number;
  /** The error for what exceeds the limit of its key, or that of all. */
  readonly refusal: (isOfKey: boolean) => FleetError;
  /** Called with what all have taken. */
  readonly changed?: (all: number) => void;
}

/** Divides what a process has (memory, connections) between requests. A single request always gets what it needs. */
export function createQuota({ most, mostOfKey, reservedForKey = 0, refusal, changed }: QuotaOptions): Quota {
  const ofKeys = new Map<string, number>();
  let all = 0;
  return (key, amount, signal) => {
    signal.throwIfAborted();
    let own = 0;
    let inUse = 0;
    const ofKey = () => (key === undefined ? 0 : (ofKeys.get(key) ?? 0));
    const add = (more: number) => {
      all += more;
      own += more;
      changed?.(all);
      if (key === undefined) return;
      const sum = ofKey() + more;
      if (sum > 0) ofKeys.set(key, sum);
      else ofKeys.delete(key);
    };
    const take = (more: number) => {
      const sum = ofKey() + more;
      const isOfKey = ofKey() > own && sum > mostOfKey;
      const isReserved = key !== undefined && sum <= reservedForKey;
      if (isOfKey || (all > own && all + more > most && !isReserved)) throw refusal(isOfKey);
      add(more);
    };
    take(amount);
    signal.addEventListener('abort', () => add(-own), { once: true });
    return (used) => {
      inUse += used;
      if (!signal.aborted && inUse > own) take(inUse - own);
    };
  };
}
