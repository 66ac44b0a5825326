import type { StorageInventory } from '@comfy-fleet/jobs';
import type { Holding } from './inventory.js';

interface Shared {
  readonly holdings: readonly Holding[];
  /** The bytes of all files, including files of no key. */
  readonly bytes: number;
  /** The most bytes that all files may have. */
  readonly most: number;
  /** Whether it may be deleted to free space, as far as is known before trying. */
  readonly isEvictable: (holding: Holding) => boolean;
}

export interface Shares {
  /**
   * The file to delete next; undefined when there is enough space, or no file that may be deleted. Files of no key go
   * first, then the oldest file of the key that exceeds its share most. A file of several keys goes only when each of
   * them exceeds its share.
   */
  next(): Holding | undefined;
  /** Reports what happened to the last one. */
  tried(became: 'deleted' | 'kept'): void;
  stock(): Omit<StorageInventory, 'kinds'>;
}

interface Account {
  bytes: number;
  evictable: number;
  files: number;
  /** Oldest first. */
  readonly candidates: Holding[];
}

/** Divides the storage equally between the API keys that have files. A key may use what others leave unused. */
export function createShares({ holdings, bytes, most, isEvictable }: Shared): Shares {
  const accounts = new Map<string, Account>();
  const ownerless: Holding[] = [];
  const settled = new Set<Holding>();
  let left = bytes;
  let last: Holding | undefined;
  for (const holding of [...holdings].sort((a, b) => b.modifiedAt - a.modifiedAt)) {
    const evictable = isEvictable(holding);
    if (holding.keys.length === 0 && evictable) ownerless.push(holding);
    for (const key of holding.keys) {
      const account = accounts.get(key) ?? { bytes: 0, evictable: 0, files: 0, candidates: [] };
      accounts.set(key, account);
      account.bytes += holding.bytes;
      if (holding.kind === 'input') account.files += 1;
      if (!evictable) continue;
      account.evictable += holding.bytes;
      account.candidates.push(holding);
    }
  }
  const share = most / Math.max(1, accounts.size);
  const isOver = (key: string) => (accounts.get(key)?.bytes ?? 0) > share;

  /** Removes and returns the oldest candidate that was not tried yet. */
  const takeOldest = (candidates: Holding[]): Holding | undefined => {
    for (;;) {
      const oldest = candidates.pop();
      if (oldest === undefined || (!settled.has(oldest) && oldest.keys.every(isOver))) return oldest;
    }
  };
  const takeFromLargest = (): Holding | undefined => {
    for (;;) {
      let largest: Account | undefined;
      for (const account of accounts.values()) {
        const hasMore = account.bytes > share && account.candidates.length > 0;
        if (hasMore && account.bytes > (largest?.bytes ?? 0)) largest = account;
      }
      const oldest = largest && takeOldest(largest.candidates);
      if (largest === undefined || oldest !== undefined) return oldest;
    }
  };

  return {
    next: () => {
      last = left > most ? (takeOldest(ownerless) ?? takeFromLargest()) : undefined;
      return last;
    },
    tried: (became) => {
      if (last === undefined) return;
      settled.add(last);
      if (became === 'deleted') left -= last.bytes;
      for (const key of last.keys) {
        const account = accounts.get(key);
        if (account === undefined) continue;
        account.evictable -= last.bytes;
        if (became !== 'deleted') continue;
        account.bytes -= last.bytes;
        if (last.kind === 'input') account.files -= 1;
      }
    },
    stock: () => ({ bytes: left, most, keys: new Map([...accounts].filter(([, { bytes: own }]) => own > 0)) }),
  };
}

/**
 * The sent files of keys with more than `most`, as many as they have too many, oldest first. A file of several keys is among
 * them only if each has too many.
 */
export function surplusOf({
  holdings,
  most,
  isEvictable,
}: Pick<Shared, 'most' | 'isEvictable'> & {
  /** Oldest first. */
  readonly holdings: readonly Holding[];
}): ReadonlySet<Holding> {
  const counts = new Map<string, number>();
  const files = holdings.filter(({ kind, keys }) => kind === 'input' && keys.length > 0);
  for (const { keys } of files) for (const key of keys) counts.set(key, (counts.get(key) ?? 0) + 1);
  const surplus = files.filter((file) => {
    if (!file.keys.every((key) => (counts.get(key) ?? 0) > most) || !isEvictable(file)) return false;
    for (const key of file.keys) counts.set(key, (counts.get(key) ?? 0) - 1);
    return true;
  });
  return new Set(surplus);
}
