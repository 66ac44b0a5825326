import type { Job, JobHandle } from '@comfy-fleet/client';
import { duration, table } from './words.js';

/** A job for people, a line for each thing that there is to say. */
export function showJob({ snapshot: job, outputs }: JobHandle): string {
  const { request, progress, waiting_for: waits, error } = job;
  const rows: [string, string | null | undefined][] = [
    ['job', job.id],
    ['status', job.status],
    ['error', error === null ? null : `${error.code}: ${error.detail}`],
    ['waits for', waits === null ? null : waits.detail],
    ['before it', job.queue_position === null ? null : `${job.queue_position}`],
    ['done', job.status === 'running' ? `${Math.floor(progress.fraction * 100)} %` : null],
    ['left', job.eta_seconds === null ? null : `about ${duration(job.eta_seconds)}`],
    ['workflow', request.workflow],
    ['level', job.lod],
    ['prompt', request.prompt],
    ['seed', job.seed === null ? null : `${job.seed}`],
    ['size', request.width === undefined ? null : `${request.width}×${request.height}`],
    ['made from', job.parent === null ? null : `${job.parent.id} (${job.parent.relation})`],
    ['created', job.created_at],
    ['waited', job.queue_ms === null ? null : `${(job.queue_ms / 1000).toFixed(1)} s`],
    ['took', job.duration_ms === null ? null : `${(job.duration_ms / 1000).toFixed(1)} s`],
    ['instance', job.instance],
    ...Object.entries(job.metadata).map(([name, value]): [string, string] => [`metadata.${name}`, `${value}`]),
    ...outputs.map(({ name, href }): [string, string] => [name, href]),
  ];
  return table(rows.filter((row): row is [string, string] => typeof row[1] === 'string'));
}

/** The columns of the list of jobs. */
export const JOB_COLUMNS = ['job', 'status', 'level', 'workflow', 'created', 'took', 'prompt'] as const;
const LONGEST_PROMPT = 40;

export function jobRow({ id, status, lod, request, created_at, duration_ms }: Job): string[] {
  const { prompt = '' } = request;
  return [
    id,
    status,
    lod ?? '',
    request.workflow,
    created_at.slice(0, 16).replace('T', ' '),
    duration_ms === null ? '' : `${(duration_ms / 1000).toFixed(1)} s`,
    prompt.length > LONGEST_PROMPT ? `${prompt.slice(0, LONGEST_PROMPT - 1)}…` : prompt,
  ];
}
