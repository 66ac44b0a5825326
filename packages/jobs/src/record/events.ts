import type { JobStatus } from '@comfy-fleet/contracts';
import type { JobSnapshot, Preview, Progress } from './record.js';

/** What the scripts write into a job's stream. A terminal status is its last event. */
export type JobEvent =
  | { readonly type: 'status'; readonly status: JobStatus }
  | { readonly type: 'progress'; readonly progress: Progress };

export type JobStreamItem =
  | { readonly kind: 'snapshot'; readonly snapshot: JobSnapshot }
  /** Only the latest is worth showing: none is stored, and after a pause the next one comes. */
  | { readonly kind: 'preview'; readonly preview: Preview }
  | { readonly kind: 'event'; readonly id: string; readonly event: JobEvent };

/** Orders stream ids (`<ms>-<sequence>`): negative when `a` came before `b`. */
export function compareEventIds(a: string, b: string): number {
  const [aTime = 0, aSequence = 0] = a.split('-').map(Number);
  const [bTime = 0, bSequence = 0] = b.split('-').map(Number);
  return aTime - bTime || aSequence - bSequence;
}

/** True for a text that can be a stream id, such as a caller's Last-Event-ID. */
export function isEventId(text: string): boolean {
  return /^\d{1,15}-\d{1,15}$/.test(text);
}
