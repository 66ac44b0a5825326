import type { Job } from '@comfy-fleet/client';
import { duration } from '../parts/format.js';

export type Lod = NonNullable<Job['lod']>;

export function isOpen({ status }: Pick<Job, 'status'>): boolean {
  return status === 'queued' || status === 'running' || status === 'canceling';
}

/** What a job that has not ended waits for, or does. */
export function stateOf(job: Job): string {
  if (job.status === 'canceling') return 'Being canceled';
  if (job.status === 'running') return job.progress.node ?? 'Running';
  const { waiting_for: reason, queue_position: before } = job;
  if (reason !== null && reason.code !== 'turn') return reason.detail;
  const place = before === null || before === 0 ? 'Next in line' : `${before} before it`;
  return job.eta_seconds === null
    ? place
    : `${place}, ready in about ${duration(Math.max(1, Math.round(job.eta_seconds)))}`;
}

const ADVICE: Readonly<Record<string, string>> = {
  out_of_memory: 'Ask for a smaller picture, or fewer at once.',
  timed_out: 'Ask for fewer steps or a lower level of detail.',
  workflow_rejected: 'The workflow or one of its inputs has to be changed.',
  node_execution_error: 'The inputs may not suit this node; its message says more.',
  input_missing: 'Send the file again.',
  interrupted: 'Make it again.',
  workflow_missing: 'Make it again with the current version of the workflow.',
};

/** What somebody can do about the error of a job. */
export function adviceOf({ code, retryable }: NonNullable<Job['error']>): string {
  return ADVICE[code] ?? (retryable ? 'Make it again.' : 'Send the id of the job to whoever runs this fleet.');
}

/** The rungs above a picture. */
export function rungsAbove(job: Job): readonly Lod[] {
  const ladder: readonly Lod[] = ['sketch', 'mid', 'final'];
  const at = job.lod === null ? -1 : ladder.indexOf(job.lod);
  return at < 0 || job.status !== 'succeeded' || job.images.length === 0 ? [] : ladder.slice(at + 1);
}

export const LOD_NAMES: Readonly<Record<Lod, string>> = {
  sketch: 'Sketch',
  mid: 'Mid',
  final: 'Final',
  direct_final: 'Direct final',
};

/** How a job is called: by its prompt, else by its workflow. */
export function titleOf({ request, kind }: Job): string {
  const prompt = request.prompt ?? request.inputs?.prompt;
  return typeof prompt === 'string' && prompt !== '' ? prompt : `${request.workflow || kind}`;
}
