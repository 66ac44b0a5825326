import type { NewJob } from '../callers/new-order.js';
import { type JobRecord, NO_PROGRESS } from './record.js';

/** What the script that makes a job knows of it and its caller does not. */
export interface Creation {
  readonly rank: number;
  readonly createdAt: number;
  readonly startDeadline: number;
}

/** The record of a job that was made this moment, without reading it back. */
export function newRecord(job: NewJob, caller: string, { rank, createdAt, startDeadline }: Creation): JobRecord {
  const { id, kind, pool, request, parent = null, callback = null, traceparent = null } = job;
  return {
    id,
    kind,
    lod: request.lod,
    pool,
    key: caller,
    parent,
    callback,
    workflow: request.workflow,
    request,
    status: 'queued',
    phase: 'waiting',
    rank,
    createdAt,
    startDeadline,
    startedAt: null,
    finishedAt: null,
    progress: NO_PROGRESS,
    images: [],
    error: null,
    instance: null,
    promptId: null,
    submissions: 0,
    attempts: 0,
    orphanedMs: null,
    deaths: 0,
    kills: 0,
    refusals: 0,
    ooms: 0,
    faults: [],
    claim: 0,
    worker: null,
    traceparent,
  };
}
