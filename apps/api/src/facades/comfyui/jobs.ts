import { isTerminal } from '@comfy-fleet/contracts';
import { type JobRecord, listedOf } from '@comfy-fleet/jobs';
import pLimit from 'p-limit';
import type { Deps } from '../../deps.js';
import type { Caller } from '../../server/gate.js';
import { isRecord } from '../../server/json-body.js';
import type { ApiRequest, Reply } from '../../server/messages.js';
import {
  type ComfyuiDeps,
  ending,
  MAX_ANSWER_CHARS,
  MAX_IDS,
  numberOf,
  ownPrompt,
  PROMPTS_AT_ONCE,
  presentEnd,
  presentFile,
  promptIdOf,
  UUID,
} from './prompts.js';

/** Lists the caller's open jobs together with those of its history. */
export async function listPromptJobs(deps: Deps, { caller, query }: ApiRequest): Promise<Reply> {
  const asked = readJobQuery(query);
  if (typeof asked === 'string') return wrong(asked);
  const { id: key } = caller;
  const views = await deps.heavyReads(key, () => viewsOf(deps, key));
  const { statuses, workflowId, sortBy, ascending, offset, limit } = asked;
  const duration = ({ execution_start_time = 0, execution_end_time = 0 }: JobView) =>
    execution_end_time - execution_start_time;
  const rank = sortBy === 'created_at' ? ({ create_time }: JobView) => create_time : duration;
  const chosen = views
    .filter(({ status }) => statuses?.has(status) ?? true)
    .filter(({ workflow_id }) => workflowId === undefined || workflow_id === workflowId)
    .sort((a, b) => rank(a) - rank(b) || (a.id < b.id ? -1 : 1));
  if (!ascending) chosen.reverse();
  const jobs = fitting(chosen.slice(offset, limit === undefined ? undefined : offset + limit));
  const has_more = offset + jobs.length < chosen.length;
  const pagination = JSON.stringify({ offset, limit: limit ?? null, total: chosen.length, has_more });
  return { status: 200, body: `{"jobs":[${jobs.join(',')}],"pagination":${pagination}}` };
}

/** The first jobs that fit into a response, as JSON. */
function fitting(views: readonly JobView[]): string[] {
  const texts: string[] = [];
  let chars = 0;
  for (const view of views) {
    const text = JSON.stringify(view);
    chars += text.length;
    if (texts.length > 0 && chars > MAX_ANSWER_CHARS) break;
    texts.push(text);
  }
  return texts;
}

/** Reads open jobs before ended ones, so that a job that ends in between is not missed. */
async function viewsOf({ config, ledger: { jobs } }: Deps, key: string): Promise<JobView[]> {
  const views = new Map<string, JobView>();
  const add = (records: readonly JobRecord[]) => {
    for (const record of records) views.set(record.id, jobView(record));
  };
  for await (const page of jobs.open(key)) add(page);
  const { ids } = await jobs.ended(key, { limit: config.compat.comfyuiMaxHistory, offset: 0 });
  for await (const page of jobs.records(key, ids)) add(page);
  return [...views.values()];
}

const STATUSES = ['pending', 'in_progress', 'completed', 'failed', 'cancelled'];
const WHOLE = /^\s*[+-]?\d{1,15}\s*$/;

/** Returns ComfyUI's message if the query is invalid. */
function readJobQuery(query: URLSearchParams) {
  const asked = query.get('status') ?? '';
  const wanted = asked.split(',').map((status) => status.trim().toLowerCase());
  const unknown = wanted.filter((status) => status !== '' && !STATUSES.includes(status));
  if (unknown.length > 0) return `Invalid status value(s): ${unknown.join(', ')}. Valid values: ${STATUSES.join(', ')}`;
  const sortBy = (query.get('sort_by') ?? 'created_at').toLowerCase();
  if (sortBy !== 'created_at' && sortBy !== 'execution_duration') {
    return "sort_by must be 'created_at' or 'execution_duration'";
  }
  const sortOrder = (query.get('sort_order') ?? 'desc').toLowerCase();
  if (sortOrder !== 'asc' && sortOrder !== 'desc') return "sort_order must be 'asc' or 'desc'";
  const [limit, offset] = [query.get('limit'), query.get('offset')];
  if (limit !== null && !WHOLE.test(limit)) return 'limit must be an integer';
  if (limit !== null && Number(limit) < 1) return 'limit must be a positive integer';
  if (offset !== null && !WHOLE.test(offset)) return 'offset must be an integer';
  return {
    /** Undefined: all. */
    statuses: asked === '' ? undefined : new Set(wanted),
    workflowId: query.get('workflow_id') || undefined,
    sortBy,
    ascending: sortOrder === 'asc',
    limit: limit === null ? undefined : Number(limit),
    offset: Math.max(0, Number(offset ?? 0)),
  };
}

type JobView = ReturnType<typeof jobView>;

const STATUS_NAMES = {
  queued: 'pending',
  running: 'in_progress',
  canceling: 'in_progress',
  succeeded: 'completed',
  failed: 'failed',
  expired: 'failed',
  canceled: 'cancelled',
} as const;
const PREVIEWABLE: readonly string[] = ['image', 'animation', 'video', 'audio', 'model'];

/** A job in the form of ComfyUI's list. Times are in ms since 1970. */
function jobView(record: JobRecord) {
  const { workflowId } = record.listing;
  const { status, createdAt, startedAt, finishedAt, outputs } = record;
  const previewable = outputs.filter(({ kind }) => PREVIEWABLE.includes(kind));
  const shown = previewable.find((output) => listedOf(output).type === 'output') ?? previewable[0];
  const hasEnded = isTerminal(status);
  const [event, data] = ending(record);
  return {
    id: promptIdOf(record),
    status: STATUS_NAMES[status],
    priority: numberOf(record),
    create_time: createdAt,
    outputs_count: outputs.length,
    previewable_outputs_count: previewable.length,
    ...(hasEnded && startedAt !== null ? { execution_start_time: startedAt } : {}),
    ...(hasEnded && finishedAt !== null ? { execution_end_time: finishedAt } : {}),
    ...(hasEnded && event === 'execution_error' ? { execution_error: data } : {}),
    ...(shown === undefined
      ? {}
      : { preview_output: { ...presentFile(shown), nodeId: shown.nodeId, mediaType: listedOf(shown).key } }),
    ...(workflowId === undefined ? {} : { workflow_id: workflowId }),
  };
}

export async function getPromptJob(deps: ComfyuiDeps, { caller, params: { id = '' } }: ApiRequest): Promise<Reply> {
  const record = await ownPrompt(deps, caller, id);
  if (record === undefined || (await deps.ledger.jobs.isHidden(record)))
    return { status: 404, body: { error: 'Job not found' } };
  const parts = await deps.partsOf(record);
  const view = JSON.stringify(jobView(record));
  if (!isTerminal(record.status)) return { status: 200, body: view };
  const { outputs, status } = presentEnd(record);
  const more = JSON.stringify({ outputs, execution_status: status });
  const workflow = `{"prompt":${parts.graph},"extra_data":${parts.extraData}}`;
  return { status: 200, body: `${view.slice(0, -1)},${more.slice(1, -1)},"workflow":${workflow}}` };
}

export async function cancelPromptJob(deps: Deps, { caller, params: { id = '' } }: ApiRequest): Promise<Reply> {
  return { status: 200, body: { cancelled: await cancel(deps, caller, id) } };
}

export async function cancelPromptJobs(deps: Deps, { body, caller }: ApiRequest): Promise<Reply> {
  const ids = isRecord(body) ? body.job_ids : undefined;
  if (!Array.isArray(ids)) return wrong('job_ids must be a list');
  if (ids.length > MAX_IDS) return wrong(`job_ids has more than ${MAX_IDS} ids`);
  const invalid = ids.filter((id) => typeof id !== 'string' || !UUID.test(id));
  if (invalid.length > 0) {
    return { status: 400, body: { error: 'job_ids contains invalid id(s)', invalid_ids: invalid.map(String) } };
  }
  const canceled = await deps.heavyReads(caller.id, () =>
    pLimit(PROMPTS_AT_ONCE).map(ids as string[], (id) => cancel(deps, caller, id)),
  );
  return { status: 200, body: { cancelled: canceled.includes(true) } };
}

/** Cancels a job; returns false if it does not exist or has ended. */
async function cancel(deps: Deps, caller: Caller, id: string): Promise<boolean> {
  const record = await ownPrompt(deps, caller, id);
  if (record === undefined || isTerminal(record.status)) return false;
  await deps.ledger.jobs.cancel(record.id);
  return true;
}

function wrong(error: string): Reply {
  return { status: 400, body: { error } };
}
