import type { Job, JobHandle } from '@comfy-fleet/client';
import { type Cell, type Column, drawTable, type Tone } from '../table.js';
import { duration, plain } from '../text.js';

/** How a job ended, in a line; below it why it failed. */
export function jobSummary({ id, status, duration_ms, seed, instance, error }: Job): string {
  const took = duration_ms === null ? '' : ` in ${(duration_ms / 1000).toFixed(1)} s`;
  const parts = [
    `${id} ${status}${took}`,
    ...(seed === null ? [] : [`seed ${seed}`]),
    ...(instance === null ? [] : [instance]),
  ];
  const line = plain(parts.join(' · '));
  return error === null ? line : `${line}\n${plain(error.detail)}`;
}

/** All that is known of a job, a line for each fact. */
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
  const cells = rows.flatMap(([name, value]) => (value == null ? [] : [[{ text: name }, { text: value }]]));
  return drawTable([{}, {}], cells, { width: Number.POSITIVE_INFINITY, isColored: false }).join('\n');
}

/** The columns of the job list. */
export const JOB_COLUMNS: readonly Column[] = [
  { head: 'job' },
  { head: 'status' },
  { head: 'level', spare: 1 },
  { head: 'workflow', spare: 2 },
  { head: 'created', spare: 3 },
  { head: 'took', isNumber: true },
  { head: 'prompt', least: 14 },
];
const TONES: Readonly<Partial<Record<Job['status'], Tone>>> = {
  succeeded: 'good',
  failed: 'bad',
  expired: 'bad',
  canceled: 'dim',
};

export function jobRow({ id, status, lod, request, created_at, duration_ms }: Job): Cell[] {
  const tone = TONES[status];
  return [
    { text: id },
    { text: status, ...(tone === undefined ? {} : { tone }) },
    { text: lod ?? '' },
    { text: request.workflow },
    { text: new Date(created_at).toLocaleString('sv').slice(0, 16) },
    { text: duration_ms === null ? '' : `${(duration_ms / 1000).toFixed(1)} s` },
    { text: request.prompt ?? '' },
  ];
}
