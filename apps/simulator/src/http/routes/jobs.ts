import { pythonText } from '@comfy-fleet/workflows';
import type { Engine } from '../../engine.js';
import { findJob, type JobQuery, listJobs, STATUSES } from '../../jobs.js';
import { isObject, type Json } from '../../json/values.js';
import { tryJson } from '../body.js';
import { json, type Reply, type Route, type RouteRequest } from '../route.js';

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

/** Of two prompts with one id, the running one is stopped and the waiting one stays. */
function cancel(id: string, engine: Engine): boolean {
  return engine.interrupt(id) || engine.queue.delete(id);
}

export const jobRoutes: readonly Route[] = [
  { method: 'GET', path: '/api/jobs', handle: getJobs, onlyNew: true },
  // Before the one with a parameter, which would take it for an id.
  { method: 'POST', path: '/api/jobs/cancel', handle: cancelJobs, onlyNew: true },
  { method: 'GET', path: '/api/jobs/:id', handle: getJob, onlyNew: true },
  { method: 'POST', path: '/api/jobs/:id/cancel', handle: cancelJob, onlyNew: true },
];
