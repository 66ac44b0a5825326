import { isId } from '@comfy-fleet/contracts';
import type { JobRecord, OutputRecord } from '@comfy-fleet/jobs';
import type { Deps } from '../../deps.js';

/*
 * Outputs are assets with UUIDs of their own. These are not stored: the id of an output is the UUIDv7 of its job made a
 * UUIDv8 (RFC 9562, free form), with the index of the output in its last 16 bits. The 58 random bits before those tell the
 * jobs of a key apart.
 */

const VERSION_AT = 14;
const INDEX_AT = 32;
/** Sorts after every hexadecimal digit. */
const BEYOND = 'g';

/** The id of the output with that index among the outputs of a job. */
export function outputId(jobId: string, index: number): string {
  const digits = index.toString(16).padStart(36 - INDEX_AT, '0');
  return `${jobId.slice(0, VERSION_AT)}8${jobId.slice(VERSION_AT + 1, INDEX_AT)}${digits}`;
}

export interface FoundOutput {
  readonly record: JobRecord;
  readonly index: number;
  readonly output: OutputRecord;
}

/** The output with that id, of a job of the key. */
export async function findOutput({ ledger }: Deps, key: string, id: string): Promise<FoundOutput | undefined> {
  if (!isId(id) || id[VERSION_AT] !== '8') return undefined;
  const prefix = `${id.slice(0, VERSION_AT)}7${id.slice(VERSION_AT + 1, INDEX_AT)}`;
  const { jobs } = await ledger.jobs.list(key, { filter: {}, cursor: prefix + BEYOND, limit: 1 });
  const record = jobs[0]?.record;
  const index = Number.parseInt(id.slice(INDEX_AT), 16);
  if (record === undefined || !record.id.startsWith(prefix)) return undefined;
  const output = record.outputs[index];
  return output && { record, index, output };
}
