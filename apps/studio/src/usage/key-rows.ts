import type { FleetStatus, KeyList, KeyUsageList } from '@comfy-fleet/client';

type Key = KeyList['data'][number];
type Used = KeyUsageList['data'][number];
type Share = FleetStatus['shares'][number];

/** All that is known of one API key. */
export interface KeyRow {
  readonly key: string;
  /** Undefined: it is not in the keys file, or no longer. */
  readonly about: Key | undefined;
  /** Undefined: it never made a job. */
  readonly used: Used | undefined;
  /** Undefined: it has none of the last hour. */
  readonly share: Share | undefined;
}

/** Under which the API counts the callers without a key. No key has this id. */
const ANONYMOUS = 'anonymous';

export function rightsOf({ key, about }: KeyRow): string {
  if (about !== undefined) return about.rights.join(', ');
  return key === ANONYMOUS ? 'without a key' : 'revoked';
}

export const COLUMNS = ['key', 'weight', 'share', 'jobs', 'failed', 'gpu'] as const;
export type Column = (typeof COLUMNS)[number];

export interface Order {
  readonly by: Column;
  readonly isDown: boolean;
}

export function keyRows(keys: readonly Key[], used: readonly Used[], shares: readonly Share[]): KeyRow[] {
  const [about, uses, parts] = [keys, used, shares].map((list) => new Map(list.map((one) => [one.key, one])));
  const ids = new Set([...keys, ...used].map(({ key }) => key));
  return [...ids].map((key) => ({
    key,
    about: about?.get(key) as Key | undefined,
    used: uses?.get(key) as Used | undefined,
    share: parts?.get(key) as Share | undefined,
  }));
}

/** Equal ones in alphabetical order. */
export function sortRows(rows: readonly KeyRow[], { by, isDown }: Order): KeyRow[] {
  const sign = isDown ? -1 : 1;
  const byName = (one: KeyRow, other: KeyRow) => one.key.localeCompare(other.key);
  if (by === 'key') return rows.toSorted((one, other) => sign * byName(one, other));
  return rows.toSorted((one, other) => sign * (amountOf(one, by) - amountOf(other, by)) || byName(one, other));
}

function amountOf({ about, used, share }: KeyRow, by: Exclude<Column, 'key'>): number {
  if (by === 'weight') return about?.weight ?? 0;
  if (by === 'share') return share?.share_hour ?? 0;
  if (by === 'gpu') return used?.gpu_seconds ?? 0;
  return used?.[by] ?? 0;
}
