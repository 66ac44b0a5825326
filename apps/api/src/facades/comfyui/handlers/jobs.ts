import { isTerminal } from '@comfy-fleet/contracts';
import type { JobRecord } from '@comfy-fleet/jobs';
import type { Deps } from '../../../deps.js';
import { knownCaller } from '../../../server/caller.js';
import { isRecord } from '../../../server/is-record.js';
import type { Handler, Reply } from '../../../server/messages.js';
import type { Entries } from '../entries/entries.js';
import { asSeen, MOST_IDS, ownPrompt, UUID } from '../own-prompt.js';
import { presentEnd } from '../present/history-entry.js';
import { type JobView, jobView } from '../present/job-view.js';
import { type JobQuery, readJobQuery } from './job-query.js';

/** Cancels that are under way at a time. */
const AT_ONCE = 50;

/** The caller's open jobs, and those of its history, as one list. */
export function listPromptJobs(deps: Deps, entries: Entries): Handler {
  const most = deps.config.compat.comfyuiMaxHistory;
  const { heavyReads } = deps;
  const { jobs } = deps.ledger;
  /** Open jobs first, so that a job that ends meanwhile is found at least once. */
  const viewsOf = async (key: string) => {
    const views = new Map<string, JobView>();
    const add = async (records: readonly JobRecord[]) => {
      for (const record of records) views.set(record.id, jobView(record, await entries.parts(record)));
    };
    for await (const records of jobs.open(key)) await add(records.map(asSeen));
    const { ids } = await jobs.ended(key, { limit: most, offset: 0 });
    for await (const page of jobs.pages(key, ids)) await add(await jobs.records(page));
    return [...views.values()];
  };
  return async ({ caller, query }) => {
    const asked = readJobQuery(query);
    if (typeof asked === 'string') return wrong(asked);
    const { id: key } = knownCaller(caller);
    const views = await heavyReads(key, () => viewsOf(key));
    const chosen = sorted(views, asked).filter((view) => isWanted(view, asked));
    const { offset, limit } = asked;
    const listed = chosen.slice(offset, limit === undefined ? undefined : offset + limit);
    const has_more = offset + listed.length < chosen.length;
    return {
      status: 200,
      body: { jobs: listed, pagination: { offset, limit: limit ?? null, total: chosen.length, has_more } },
    };
  };
}

function isWanted({ status, workflow_id }: JobView, { statuses, workflowId }: JobQuery): boolean {
  return (statuses?.has(status) ?? true) && (workflowId === undefined || workflow_id === workflowId);
}

function sorted(views: readonly JobView[], { sortBy, ascending }: JobQuery): JobView[] {
  const duration = ({ execution_start_time = 0, execution_end_time = 0 }: JobView) =>
    execution_end_time - execution_start_time;
  const key = sortBy === 'created_at' ? ({ create_time }: JobView) => create_time : duration;
  const inOrder = [...views].sort((a, b) => key(a) - key(b) || (a.id < b.id ? -1 : 1));
  return ascending ? inOrder : inOrder.reverse();
}

export function getPromptJob(deps: Deps, entries: Entries): Handler {
  return async ({ caller, params: { id = '' } }) => {
    const record = await ownPrompt(deps, knownCaller(caller), id);
    if (record === undefined || record.isHidden) return { status: 404, body: { error: 'Job not found' } };
    const parts = await entries.parts(record);
    const view = JSON.stringify(jobView(record, parts));
    if (!isTerminal(record.status)) return { status: 200, body: view };
    const { outputs, status } = presentEnd(record);
    const more = JSON.stringify({ outputs, execution_status: status });
    const workflow = `{"prompt":${parts.graph},"extra_data":${parts.extraData}}`;
    return { status: 200, body: `${view.slice(0, -1)},${more.slice(1, -1)},"workflow":${workflow}}` };
  };
}

/** Cancels a job that has not ended; `cancelled` says whether there was one. */
export function cancelPromptJob(deps: Deps): Handler {
  return async ({ caller, params: { id = '' } }) => {
    const record = await ownPrompt(deps, knownCaller(caller), id);
    return { status: 200, body: { cancelled: await canceled(deps, record) } };
  };
}

export function cancelPromptJobs(deps: Deps): Handler {
  return async (request) => {
    const sent = request.body;
    const ids = isRecord(sent) ? sent.job_ids : undefined;
    if (!Array.isArray(ids)) return wrong('job_ids must be a list');
    if (ids.length > MOST_IDS) return wrong(`job_ids has more than ${MOST_IDS} ids`);
    const invalid = ids.filter((id) => typeof id !== 'string' || !UUID.test(id));
    if (invalid.length > 0) {
      return { status: 400, body: { error: 'job_ids contains invalid id(s)', invalid_ids: invalid.map(String) } };
    }
    const caller = knownCaller(request.caller);
    let cancelled = false;
    for (let at = 0; at < ids.length; at += AT_ONCE) {
      const some = ids.slice(at, at + AT_ONCE) as string[];
      const done = await Promise.all(some.map(async (id) => canceled(deps, await ownPrompt(deps, caller, id))));
      cancelled ||= done.includes(true);
    }
    return { status: 200, body: { cancelled } };
  };
}

async function canceled({ ledger }: Deps, record: JobRecord | undefined): Promise<boolean> {
  if (record === undefined || isTerminal(record.status)) return false;
  await ledger.jobs.cancel(record.id);
  return true;
}

function wrong(error: string): Reply {
  return { status: 400, body: { error } };
}
