import { ERROR_CATALOGUE, type WaitingFor } from '@comfy-fleet/contracts';
import type { FleetOverview, JobRecord, JobSnapshot } from '@comfy-fleet/jobs';
import { type Equipment, heldByFleet } from './held-by-fleet.js';

/** What is known beside the job itself. */
export interface Circumstances extends Equipment {
  /** Undefined while it cannot be read: then only what the job's own record and place say is told. */
  readonly overview: FleetOverview | undefined;
}

/** What a queued job waits for: the most telling reason, in the order of WAIT_CODES. Null for a job that is not queued. */
export function waitingFor(snapshot: JobSnapshot, { overview, ...equipment }: Circumstances): WaitingFor | null {
  const { record } = snapshot;
  if (record.status !== 'queued') return null;
  if (record.phase !== 'waiting') return turn(inHands(record));
  return (overview && heldByFleet(record, overview, equipment)) ?? itsOwn(snapshot);
}

function itsOwn({ record, ahead, isHeldBack, isOverStorage, restsUntil }: JobSnapshot): WaitingFor {
  const isToBeFound = record.promptId !== null;
  // One that may be in a ComfyUI is handed out whatever else its key has in work.
  if (isHeldBack && !isToBeFound) {
    return { code: 'running_limit', detail: 'Its API key has as many jobs in work as its jobs_running allows.' };
  }
  if (isOverStorage && !isToBeFound) {
    const detail =
      'The storage is full, and the files of its API key fill the share of the key. It goes on when files are deleted: ' +
      'by their owner, or the oldest when they are an hour old.';
    return { code: 'storage_share', detail };
  }
  if (restsUntil !== null) return retry(record, restsUntil);
  if (isToBeFound) return turn('A worker gave it back; the next one looks for its prompt in ComfyUI.');
  if (ahead === null) return turn('Other jobs come before it.');
  if (ahead === 0) return turn('It comes next.');
  return turn(ahead === 1 ? 'One job comes before it.' : `${ahead} jobs come before it.`);
}

function turn(detail: string): WaitingFor {
  return { code: 'turn', detail };
}

function inHands({ phase, instance }: JobRecord): string {
  if (phase === 'claimed') return 'A worker has it, and is about to give it to ComfyUI.';
  return `It is in the queue of ${instance}, and begins when what is before it there has ended.`;
}

function retry({ retriedAfter }: JobRecord, restsUntil: number): WaitingFor {
  const retryAt = new Date(restsUntil).toISOString();
  if (retriedAfter === null) {
    return { code: 'retry', detail: 'A worker gave it back; it is offered again soon.', retry_at: retryAt };
  }
  const detail = `${ERROR_CATALOGUE[retriedAfter].title}; it is tried again after a pause.`;
  return { code: 'retry', detail, after: retriedAfter, retry_at: retryAt };
}
