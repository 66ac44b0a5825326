import type { JobRecord } from '@comfy-fleet/jobs';
import type { Deps } from '../../deps.js';
import type { Caller } from '../../server/caller.js';
import { isRecord } from '../../server/is-record.js';
import { refused } from './refusal.js';

/** What could be the id of a prompt. */
export const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;
/** Ids that one request may name: each is asked for. */
export const MOST_IDS = 1000;

/** The caller's job that came as a prompt, by the id under which ComfyUI's API knows it. */
export async function ownPrompt({ ledger }: Deps, caller: Caller, id: string): Promise<JobRecord | undefined> {
  if (!UUID.test(id)) return undefined;
  const record = (await ledger.jobs.byAlias(caller.id, id))?.record;
  // One that has another name is not known by its own.
  return record?.hasOrigin === true && (record.alias ?? record.id) === id ? asSeen(record) : undefined;
}

/** The record as its client may see it: a job whose end is withheld looks as if it still waited. */
export function asSeen(record: JobRecord): JobRecord {
  return record.isWithheld ? { ...record, status: 'queued', outputs: [] } : record;
}

/** The ids that a body lists in a field; none where it has no such list. Throws a ComfyuiRefusal for too many. */
export function idsIn(sent: unknown, field: string): string[] {
  const ids = isRecord(sent) ? sent[field] : undefined;
  if (!Array.isArray(ids)) return [];
  if (ids.length > MOST_IDS) throw refused('invalid_request', `${field} has more than ${MOST_IDS} ids`);
  return [...new Set(ids.filter((id): id is string => typeof id === 'string'))];
}
