import { pythonText } from '@comfy-fleet/workflows';
import type { Engine } from '../engine.js';
import type { HistoryEntry } from '../history.js';
import type { QueuedPrompt } from '../prompt-queue.js';
import { isObject, type Json, type JsonObject, toNumber, UncaughtError, type Writable } from '../python.js';
import { json, type Reply, type Route, type RouteRequest, tryJson } from './route.js';

const CANONICAL_UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

function getJobs({ query }: RouteRequest, engine: Engine): Reply {
  const parsed = parseQuery(query);
  if (typeof parsed === 'string') return json({ error: parsed }, 400);
  const { jobs, total } = listJobs(engine, parsed);
  const { offset, limit } = parsed;
  const pagination = { offset, limit: limit ?? null, total, has_more: offset + jobs.length < total };
  return json({ jobs, pagination });
}

function parseQuery(query: URLSearchParams): JobQuery | string {
  const wanted = (query.get('status') ?? '').split(',').map((status) => status.trim().toLowerCase());
  const isAll = (query.get('status') ?? '') === '';
  const unknown = wanted.filter((status) => status !== '' && !STATUSES.includes(status));
  if (unknown.length > 0) return `Invalid status value(s): ${unknown.join(', ')}. Valid values: ${STATUSES.join(', ')}`;
  const sortBy = (query.get('sort_by') ?? 'created_at').toLowerCase();
  if (sortBy !== 'created_at' && sortBy !== 'execution_duration') {
    return "sort_by must be 'created_at' or 'execution_duration'";
  }
  const sortOrder = (query.get('sort_order') ?? 'desc').toLowerCase();
  if (sortOrder !== 'asc' && sortOrder !== 'desc') return "sort_order must be 'asc' or 'desc'";
  const [limit, offset] = [query.get('limit'), query.get('offset')];
  if (limit !== null && !/^\s*[+-]?\d+\s*$/.test(limit)) return 'limit must be an integer';
  if (limit !== null && Number(limit) < 1) return 'limit must be a positive integer';
  if (offset !== null && !/^\s*[+-]?\d+\s*$/.test(offset)) return 'offset must be an integer';
  return {
    statuses: isAll ? undefined : new Set(wanted),
    workflowId: query.get('workflow_id') || undefined,
    sortBy,
    ascending: sortOrder === 'asc',
    limit: limit === null ? undefined : Number(limit),
    offset: Math.max(0, Number(offset ?? 0)),
  };
}

function getJob({ params }: RouteRequest, engine: Engine): Reply {
  const job = findJob(engine, params.id ?? '');
  return job === undefined ? json({ error: 'Job not found' }, 404) : json(job);
}

function cancelJob({ params }: RouteRequest, engine: Engine): Reply {
  return json({ cancelled: cancel(params.id ?? '', engine) });
}

function cancelJobs({ body }: RouteRequest, engine: Engine): Reply {
  const sent = tryJson(body);
  if (sent === undefined) return json({ error: 'Request body must be valid JSON' }, 400);
  const ids: Json | undefined = isObject(sent) ? sent.job_ids : undefined;
  if (!Array.isArray(ids)) return json({ error: 'job_ids must be a list' }, 400);
  const invalid = ids.filter((id) => typeof id !== 'string' || !CANONICAL_UUID.test(id));
  if (invalid.length > 0) {
    return json({ error: 'job_ids contains invalid id(s)', invalid_ids: invalid.map(pythonText) }, 400);
  }
  const cancelled = ids.map((id) => cancel(String(id), engine));
  return json({ cancelled: cancelled.includes(true) });
}

/** If a running and a waiting prompt have the same id, only the running one is stopped. */
function cancel(id: string, engine: Engine): boolean {
  return engine.interrupt(id) || engine.queue.delete(id);
}

export const jobRoutes: readonly Route[] = [
  { method: 'GET', path: '/api/jobs', handle: getJobs, onlyIn033: true },
  // Before `/api/jobs/:id`, for which `cancel` would be an id.
  { method: 'POST', path: '/api/jobs/cancel', handle: cancelJobs, onlyIn033: true },
  { method: 'GET', path: '/api/jobs/:id', handle: getJob, onlyIn033: true },
  { method: 'POST', path: '/api/jobs/:id/cancel', handle: cancelJob, onlyIn033: true },
];

/** The statuses of jobs, which is what /api/jobs calls the prompts in queue and history. */
const STATUSES: readonly string[] = ['pending', 'in_progress', 'completed', 'failed', 'cancelled'];

export interface JobQuery {
  /** Absent: all. */
  readonly statuses: ReadonlySet<string> | undefined;
  readonly workflowId: string | undefined;
  readonly sortBy: 'created_at' | 'execution_duration';
  readonly ascending: boolean;
  readonly limit: number | undefined;
  readonly offset: number;
}

type Job = Readonly<Record<string, Writable>> & { readonly status: string; readonly workflow_id: Writable };

function listJobs(engine: Engine, query: JobQuery): { readonly jobs: Writable[]; readonly total: number } {
  const { running, pending } = engine.queue;
  const all: Job[] = [...engine.history.values()].map(endedJob);
  if (running !== undefined) all.push(openJob(running, 'in_progress'));
  for (const prompt of pending) all.push(openJob(prompt, 'pending'));
  const chosen = all.filter(
    (job) =>
      (query.statuses?.has(job.status) ?? true) &&
      (query.workflowId === undefined || job.workflow_id === query.workflowId),
  );
  const key = query.sortBy === 'created_at' ? (job: Job) => Number(job.create_time) : duration;
  // Prompts of the same millisecond are ordered by number, which is negative for `front`.
  chosen.sort((a, b) => key(a) - key(b) || count(a) - count(b));
  if (!query.ascending) chosen.reverse();
  const end = query.limit === undefined ? undefined : query.offset + query.limit;
  return { jobs: chosen.slice(query.offset, end), total: chosen.length };
}

function findJob(engine: Engine, id: string): Writable | undefined {
  const { running, pending } = engine.queue;
  if (running?.id === id) return openJob(running, 'in_progress');
  const waiting = pending.find((prompt) => prompt.id === id);
  if (waiting !== undefined) return openJob(waiting, 'pending');
  const entry = engine.history.get(id);
  if (entry === undefined) return undefined;
  const [, , graph, extraData] = entry.prompt;
  return {
    ...endedJob(entry),
    outputs: entry.outputs,
    execution_status: entry.status,
    workflow: { prompt: graph, extra_data: extraData },
  };
}

function count({ priority }: Job): number {
  return Math.abs(toNumber(priority as Json));
}

function duration(job: Job): number {
  return Number(job.execution_end_time ?? 0) - Number(job.execution_start_time ?? 0);
}

function openJob(prompt: QueuedPrompt, status: string): Job {
  return {
    id: prompt.id,
    status,
    priority: prompt.number,
    create_time: prompt.extraData.create_time,
    outputs_count: 0,
    previewable_outputs_count: 0,
    workflow_id: workflowId(prompt.extraData),
  };
}

function endedJob({ prompt: [number, id, , extraData], outputs, status }: HistoryEntry): Job {
  const message = (name: string) => status.messages.find(([event]) => event === name)?.[1];
  const error = message('execution_error');
  const end = message('execution_success') ?? error ?? message('execution_interrupted');
  const pictures = Object.entries(outputs).flatMap(([nodeId, output]) => {
    const images = isObject(output) && Array.isArray(output.images) ? output.images : [];
    return images.filter(isObject).map((image): JsonObject => ({ ...image, nodeId, mediaType: 'images' }));
  });
  // Prefer a saved picture to a temporary one.
  const shown = pictures.find((picture) => picture.type === 'output') ?? pictures[0];
  return {
    id,
    status: status.completed ? 'completed' : error === undefined ? 'cancelled' : 'failed',
    priority: number,
    create_time: extraData.create_time,
    execution_start_time: message('execution_start')?.timestamp,
    execution_end_time: end?.timestamp,
    execution_error: error,
    outputs_count: pictures.length,
    previewable_outputs_count: pictures.length,
    preview_output: shown,
    workflow_id: workflowId(extraData),
  };
}

/** Throws an UncaughtError, so that the whole list fails, if a client sent something other than an object. */
function workflowId(extraData: JsonObject): Json | undefined {
  return memberOf(memberOf(extraData, 'extra_pnginfo'), 'workflow')?.id;
}

function memberOf(object: JsonObject | undefined, name: string): JsonObject | undefined {
  const member = object?.[name];
  if (member === undefined || isObject(member)) return member;
  throw new UncaughtError(`${name} is not an object`);
}
