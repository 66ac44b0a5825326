import type { Job } from '@comfy-fleet/client';
import { duration } from '../parts/format.js';

export type Lod = NonNullable<Job['lod']>;

export function isOpen({ status }: Pick<Job, 'status'>): boolean {
  return status === 'queued' || status === 'running' || status === 'canceling';
}

/** What an open job is doing or waiting for. */
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
  out_of_memory: 'Make a smaller picture, or fewer at once.',
  timed_out: 'Use fewer steps or a lower level of detail.',
  workflow_rejected: 'Change the workflow or its inputs.',
  node_execution_error: 'The inputs may not suit this node; see its message.',
  input_missing: 'Send the file again.',
  interrupted: 'Make it again.',
  workflow_missing: 'Make it again with the current version of the workflow.',
};

/** What the user can do about a job's error. */
export function adviceOf({ code, retryable }: NonNullable<Job['error']>): string {
  return ADVICE[code] ?? (retryable ? 'Make it again.' : "Send the job's id to the operator of this fleet.");
}

/** The levels of detail above the one of a picture. */
export function higherLods(job: Job): readonly Lod[] {
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

/** A job's title: its prompt, or else its workflow. */
export function titleOf({ request, kind }: Job): string {
  const prompt = request.prompt ?? request.inputs?.prompt;
  return typeof prompt === 'string' && prompt !== '' ? prompt : `${request.workflow || kind}`;
}
