import { isTerminal } from '@comfy-fleet/contracts';
import { type JobRecord, type Picture, picturesOf } from '@comfy-fleet/jobs';
import type { Deps } from '../../deps.js';
import { waitForJob } from '../../orders/wait-for-job.js';
import { type OpenAiError, openAiError, statusOf } from './error-body.js';

/** Asked again then: no job waits and runs for longer than it may, so that this ends. */
const WAIT_SECONDS = 3600;

/** Why there are no pictures of a job. */
export interface JobFault {
  readonly status: number;
  readonly error: OpenAiError;
}

/** The pictures of one job, or why there are none. */
export type JobEnd = { readonly record: JobRecord; readonly pictures: readonly Picture[] } | JobFault;

/** Waits for the end of a job, or of this process. Rejects with the signal's reason. */
export async function endOfJob(deps: Deps, id: string, signal: AbortSignal): Promise<JobEnd> {
  for (;;) {
    const snapshot = await waitForJob(deps, id, WAIT_SECONDS, signal);
    if (snapshot === undefined) return serverFault(500, 'deleted', `The job ${id} was deleted meanwhile.`);
    if (isTerminal(snapshot.record.status)) return endOf(snapshot.record);
    if (deps.stopping.aborted) return leaving(id);
  }
}

export function endOf(record: JobRecord): JobEnd {
  const { id, status, error } = record;
  if (status === 'canceled') return serverFault(409, 'canceled', `The job ${id} was canceled.`);
  if (status === 'expired') return serverFault(503, 'expired', `The job ${id} did not begin in time.`);
  if (error !== null) {
    return { status: statusOf(error.code), error: openAiError({ code: error.code, detail: error.detail, errors: [] }) };
  }
  const pictures = picturesOf(record.outputs).slice(0, picturesAsked(record));
  if (pictures.length > 0) return { record, pictures };
  return serverFault(500, 'no_image', `The job ${id} made no picture; GET /jobs/${id} has what it made.`);
}

/** This process ends; the job goes on. */
export function leaving(id: string): JobFault {
  return serverFault(
    503,
    'restarting',
    `The service is restarted; the job ${id} goes on, and GET /jobs/${id} has its end.`,
  );
}

function picturesAsked({ request: { inputs } }: JobRecord): number {
  return typeof inputs.count === 'number' ? inputs.count : 1;
}

function serverFault(status: number, code: string, message: string): JobFault {
  return { status, error: { message, type: 'server_error', param: null, code } };
}
