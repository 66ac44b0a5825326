import { isTerminal } from '@comfy-fleet/contracts';
import type { JobRecord } from '@comfy-fleet/jobs';
import type { Deps } from '../../deps.js';
import { knownCaller } from '../../server/caller.js';
import { isRecord } from '../../server/json-body.js';
import type { ApiRequest, Reply } from '../../server/messages.js';
import { refused } from './dialect.js';
import { historyEntry } from './present.js';
import { type ComfyuiDeps, idsIn, ownPrompt, promptIdOf } from './prompts.js';
import { MAX_ANSWER_CHARS } from './shared-answers.js';

interface Page {
  readonly limit: number;
  readonly offset: number | undefined;
}

function pageIn({ config }: Deps, query: URLSearchParams): Page {
  const most = config.compat.comfyuiMaxHistory;
  const wanted = wholeNumber(query, 'max_items') ?? most;
  return { limit: Math.min(Math.max(wanted, 0), most), offset: wholeNumber(query, 'offset') };
}

function wholeNumber(query: URLSearchParams, name: string): number | undefined {
  const text = query.get(name);
  if (text === null) return undefined;
  if (!/^\s*[+-]?\d{1,15}\s*$/.test(text)) throw refused('invalid_request', `${name} must be a whole number`);
  return Number(text);
}

/** The newest ended jobs that fit into an answer, by prompt id; the one that ended first comes first. */
export function getHistory(deps: ComfyuiDeps, request: ApiRequest): Promise<Reply> {
  const page = pageIn(deps, request.query);
  return deps.share(request, `history ${page.limit} ${page.offset}`, (key) => historyOf(deps, key, page));
}

async function historyOf(deps: ComfyuiDeps, key: string, page: Page): Promise<string> {
  const entries: string[] = [];
  let chars = 0;
  const { jobs } = deps.ledger;
  for await (const ids of jobs.pages(key, await endedIds(deps, key, page))) {
    for (const entry of await Promise.all((await jobs.records(ids)).map((record) => memberOf(deps, record)))) {
      chars += entry.length;
      if (entries.length > 0 && chars > MAX_ANSWER_CHARS) return asObject(entries);
      entries.push(entry);
    }
  }
  return asObject(entries);
}

function asObject(entries: string[]): string {
  return `{${entries.reverse().join(',')}}`;
}

async function memberOf({ partsOf }: ComfyuiDeps, record: JobRecord): Promise<string> {
  return `${JSON.stringify(promptIdOf(record))}:${historyEntry(record, await partsOf(record))}`;
}

/** Newest first. ComfyUI counts `offset` from the oldest job, and takes the newest ones without an offset. */
async function endedIds({ ledger }: Deps, key: string, { limit, offset = -1 }: Page): Promise<readonly string[]> {
  if (limit === 0) return [];
  if (offset < 0) return (await ledger.jobs.ended(key, { limit, offset: 0 })).ids;
  const { total } = await ledger.jobs.ended(key, { limit: 1, offset: 0 });
  const end = Math.max(0, total - offset);
  const start = Math.max(0, end - limit);
  return end === start ? [] : (await ledger.jobs.ended(key, { limit: end - start, offset: start })).ids;
}

/** `{}` for a job that has not ended, or that there is not. */
export async function getHistoryOf(deps: ComfyuiDeps, { caller, params: { id = '' } }: ApiRequest): Promise<Reply> {
  const record = await ownPrompt(deps, knownCaller(caller), id);
  if (record === undefined || !isTerminal(record.status) || record.isHidden) return { status: 200, body: {} };
  return { status: 200, body: `{${await memberOf(deps, record)}}`, job: record.id };
}

/** Hides ended jobs from the history. The jobs and their files stay. */
export async function postHistory(deps: Deps, { body, caller: asking }: ApiRequest): Promise<Reply> {
  const caller = knownCaller(asking);
  const { jobs } = deps.ledger;
  if (isRecord(body) && body.clear) await jobs.hide(caller.id, 'all');
  const records = await Promise.all(idsIn(body, 'delete').map((id) => ownPrompt(deps, caller, id)));
  const ids = records.flatMap((record) => record?.id ?? []);
  if (ids.length > 0) await jobs.hide(caller.id, ids);
  return { status: 200 };
}
