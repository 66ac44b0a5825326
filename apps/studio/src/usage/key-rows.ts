import type { FleetStatus, KeyList, KeyUsageList } from '@comfy-fleet/client';
import { bytes, formatNumber, gpuTime } from '../parts/format.js';

type Key = KeyList['data'][number];
type Used = KeyUsageList['data'][number];
type Share = FleetStatus['shares'][number];

/** An API key with its usage and share. */
export interface KeyRow {
  readonly key: string;
  /** Undefined if it is not, or no longer, in the keys file. */
  readonly about: Key | undefined;
  /** Undefined if it never made a job. */
  readonly used: Used | undefined;
  /** Undefined if it had no jobs in the last hour. */
  readonly share: Share | undefined;
}

/** The id under which the API counts callers without a key; no key may have it. */
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

/** Sorts rows; equal ones are in alphabetical order. */
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

/** The limits of a key in short form. */
export function limitsOf({ limits, max_priority, workflows }: KeyList['data'][number]): string {
  const { requests_per_minute, jobs_waiting, jobs_running, upload_bytes_per_day, max_gpu_seconds_per_day } = limits;
  const { max_gpu_seconds, max_steps, max_size, max_count, max_pixels } = limits;
  const words = [
    requests_per_minute === null ? [] : `${formatNumber(requests_per_minute)} requests/min`,
    jobs_waiting === null ? [] : `${formatNumber(jobs_waiting)} waiting`,
    jobs_running === null ? [] : `${formatNumber(jobs_running)} running`,
    max_gpu_seconds_per_day === null ? [] : `${gpuTime(max_gpu_seconds_per_day)} GPU a day`,
    max_gpu_seconds === null ? [] : `${gpuTime(max_gpu_seconds)} GPU a job`,
    max_steps === null ? [] : `${formatNumber(max_steps)} steps`,
    max_size === null ? [] : `${formatNumber(max_size)} px a side`,
    max_count === null ? [] : `${formatNumber(max_count)} pictures`,
    max_pixels === null ? [] : `${formatNumber(max_pixels)} px a job`,
    upload_bytes_per_day === null ? [] : `${bytes(upload_bytes_per_day)} uploads a day`,
    max_priority === null ? [] : `priority up to ${max_priority}`,
    workflows === null ? [] : `only ${workflows.join(', ')}`,
  ];
  return words.flat().join(' · ') || 'none';
}
