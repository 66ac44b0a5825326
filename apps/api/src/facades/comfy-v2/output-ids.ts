import { isId } from '@comfy-fleet/contracts';
import type { JobSnapshot } from '@comfy-fleet/jobs';
import type { Deps } from '../../deps.js';
import type { Caller } from '../../server/caller.js';

/*
 * Outputs are assets, with UUIDs of their own. None is stored: it is the job's UUIDv7 made a UUIDv8 (RFC 9562, free form)
 * with the output's number in its last 16 bits. The 58 random bits before them tell the jobs of a key apart.
 */

const VERSION_AT = 14;
const NUMBER_AT = 32;
/** Comes after every hexadecimal digit. */
const BEYOND = 'g';

/** The id of the output at that place among the outputs of a job. */
export function outputId(jobId: string, index: number): string {
  const number = index.toString(16).padStart(36 - NUMBER_AT, '0');
  return `${jobId.slice(0, VERSION_AT)}8${jobId.slice(VERSION_AT + 1, NUMBER_AT)}${number}`;
}

function isOutputId(id: string): boolean {
  return isId(id) && id[VERSION_AT] === '8';
}

/** The caller's output with that id: its job, and its place among the outputs. */
export async function findOutput(
  { ledger }: Pick<Deps, 'ledger'>,
  caller: Pick<Caller, 'id'>,
  id: string,
): Promise<{ readonly snapshot: JobSnapshot; readonly index: number } | undefined> {
  if (!isOutputId(id)) return undefined;
  const prefix = `${id.slice(0, VERSION_AT)}7${id.slice(VERSION_AT + 1, NUMBER_AT)}`;
  const { jobs } = await ledger.jobs.list(caller.id, { filter: {}, cursor: prefix + BEYOND, limit: 1 });
  const [snapshot] = jobs;
  const index = Number.parseInt(id.slice(NUMBER_AT), 16);
  if (snapshot === undefined || !snapshot.record.id.startsWith(prefix)) return undefined;
  return snapshot.record.outputs[index] === undefined ? undefined : { snapshot, index };
}
