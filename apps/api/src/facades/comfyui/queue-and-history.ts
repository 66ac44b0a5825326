import { once } from 'node:events';
import { Readable } from 'node:stream';
import { isTerminal } from '@comfy-fleet/contracts';
import type { JobRecord } from '@comfy-fleet/jobs';
import pLimit from 'p-limit';
import Type from 'typebox';
import type { Deps } from '../../deps.js';
import { isRecord } from '../../server/json-body.js';
import type { ApiRequest, Handler, Reply } from '../../server/messages.js';
import type { Turns } from '../../server/turns.js';
import { queried } from '../../server/validator.js';
import { clientOf } from './post-prompt.js';
import {
  type ComfyuiDeps,
  historyEntry,
  idsIn,
  MAX_ANSWER_CHARS,
  ownPrompt,
  PROMPTS_AT_ONCE,
  promptIdOf,
  promptTuple,
} from './prompts.js';
import type { SocketHub } from './socket/hub.js';

const historyQuery = Type.Object({ max_items: Type.Optional(Type.Integer()), offset: Type.Optional(Type.Integer()) });

/**
 * The two lists that clients poll. A job that is no longer in the queue has been told to the key's sockets, because
 * @saintno/comfyui-sdk waits forever if it finds a prompt in the history before its socket has heard of it.
 */
export function createPolledLists(deps: ComfyuiDeps, endsSent: SocketHub['endsSent']) {
  const share = createShare(deps.heavyReads);
  const most = deps.config.compat.comfyuiMaxHistory;
  const getQueue: Handler = (request) =>
    share(request, 'queue', async (key) => {
      const queue = await queueOf(deps, key);
      await endsSent(key);
      return queue;
    });
  const getHistory = queried(historyQuery, (request, { max_items = most, offset }) => {
    const page = { limit: Math.min(Math.max(max_items, 0), most), offset };
    return share(request, `history ${page.limit} ${page.offset}`, (key) => historyOf(deps, key, page));
  });
  return { getQueue, getHistory };
}

/** How many requests share a response. Two of them are answered at a time, and are less than half of a key's downloads. */
const MOST_SHARING = 20;

type Read = (key: string) => Promise<string>;

/**
 * Lets requests of a key for the same list share a response if they arrive before the list is read, because
 * @saintno/comfyui-sdk reads the queue at every change, once for each prompt that it waits for. The turn lasts until all
 * requests have been answered, because slow readers keep the response in memory.
 */
function createShare(heavyReads: Turns): (request: ApiRequest, list: string, read: Read) => Promise<Reply> {
  const waiting = new Map<string, { readonly signals: AbortSignal[]; readonly data: Promise<Buffer> }>();
  const begin = (key: string, id: string, read: Read) => {
    const signals: AbortSignal[] = [];
    const end = () => {
      if (waiting.get(id) === answer) waiting.delete(id);
    };
    const start = async () => {
      end();
      return Buffer.from(await read(key));
    };
    const sent = () => Promise.all(signals.map((signal) => signal.aborted || once(signal, 'abort')));
    const answer = { signals, data: heavyReads(key, start, { sent }) };
    waiting.set(id, answer);
    answer.data.catch(end);
    return answer;
  };
  return async ({ caller, signal }, list, read) => {
    const { id: key } = caller;
    const id = `${key} ${list}`;
    const next = waiting.get(id);
    const { signals, data } = next !== undefined && next.signals.length < MOST_SHARING ? next : begin(key, id, read);
    signals.push(signal);
    const body = await data;
    const headers = { 'Content-Type': 'application/json; charset=utf-8', 'Content-Length': `${body.length}` };
    return { status: 200, headers, body: Readable.from([body]) };
  };
}

export async function getPrompt({ ledger }: Deps, { caller }: ApiRequest): Promise<Reply> {
  const queue_remaining = await ledger.jobs.openCount(caller.id);
  return { status: 200, body: { exec_info: { queue_remaining } } };
}

/**
 * The caller's jobs that have not ended. A job moves from the queue to the history in one step. A ComfyUI runs one prompt
 * at a time, so only the job that began first is listed as running; other running jobs are listed first among the pending
 * ones. Jobs that do not fit into the response are listed without their graphs.
 */
async function queueOf({ ledger, partsOf }: ComfyuiDeps, key: string): Promise<string> {
  const running: { readonly startedAt: number | null; readonly text: string }[] = [];
  const pending: string[] = [];
  let chars = 0;
  for await (const page of ledger.jobs.open(key)) {
    const isFull = chars > MAX_ANSWER_CHARS;
    const texts = page.map(async (record) => promptTuple(record, isFull ? undefined : await partsOf(record)));
    for (const [index, text] of (await Promise.all(texts)).entries()) {
      const record = page[index] as JobRecord;
      if (isRunning(record)) running.push({ startedAt: record.startedAt, text });
      else pending.push(text);
      chars += text.length;
    }
  }
  running.sort((a, b) => (a.startedAt ?? 0) - (b.startedAt ?? 0));
  const [first, ...others] = running.map(({ text }) => text);
  return `{"queue_running":[${first ?? ''}],"queue_pending":[${[...others, ...pending].join(',')}]}`;
}

/** Cancels the listed jobs, or all. As in ComfyUI, the job that the queue lists as running continues. */
export async function postQueue(deps: Deps, { body, caller }: ApiRequest): Promise<Reply> {
  const { ledger, heavyReads } = deps;
  const ids = new Set(idsIn(body, 'delete'));
  const { clear } = isRecord(body) ? body : {};
  if (!clear && ids.size === 0) return { status: 200 };
  const { id: key } = caller;
  await heavyReads(key, async () => {
    const chosen: string[] = [];
    let first: JobRecord | undefined;
    for await (const record of openJobs(deps, key)) {
      first = firstOf(first, record);
      if (clear || ids.has(promptIdOf(record))) chosen.push(record.id);
    }
    const canceled = chosen.filter((id) => id !== first?.id);
    await pLimit(PROMPTS_AT_ONCE).map(canceled, (id) => ledger.jobs.cancel(id));
  });
  return { status: 200 };
}

/** Cancels the running job `prompt_id`, or else the client's or key's running job that began first. Always answers 200. */
export async function interrupt(deps: Deps, { body, caller, query }: ApiRequest): Promise<Reply> {
  const { prompt_id: wanted, client_id } = isRecord(body) ? body : {};
  const client = clientOf(client_id ?? query.get('clientId') ?? undefined);
  const isMeant = (record: JobRecord) =>
    wanted ? promptIdOf(record) === wanted : client === undefined || record.client === client;
  const { id: key } = caller;
  const job = await deps.heavyReads(key, async () => {
    let first: JobRecord | undefined;
    for await (const record of openJobs(deps, key)) if (isMeant(record)) first = firstOf(first, record);
    return first;
  });
  if (job === undefined) return { status: 200 };
  await deps.ledger.jobs.cancel(job.id);
  return { status: 200, job: job.id };
}

async function* openJobs({ ledger }: Deps, key: string): AsyncGenerator<JobRecord> {
  for await (const page of ledger.jobs.open(key)) yield* page;
}

/** A canceling job that has begun still runs. */
function isRunning({ status, startedAt }: JobRecord): boolean {
  return status === 'running' || (status === 'canceling' && startedAt !== null);
}

/** Returns the running job that began first; ignores `next` if it is not running. */
function firstOf(first: JobRecord | undefined, next: JobRecord): JobRecord | undefined {
  if (!isRunning(next)) return first;
  return first === undefined || (next.startedAt ?? 0) < (first.startedAt ?? 0) ? next : first;
}

interface Page {
  readonly limit: number;
  readonly offset: number | undefined;
}

/** The newest ended jobs that fit into a response, by prompt id, in the order in which they ended. */
async function historyOf(deps: ComfyuiDeps, key: string, page: Page): Promise<string> {
  const entries: string[] = [];
  let chars = 0;
  const { jobs } = deps.ledger;
  for await (const records of jobs.records(key, await endedIds(deps, key, page))) {
    for (const entry of await Promise.all(records.map((record) => memberOf(deps, record)))) {
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

/** Ids, newest first. As in ComfyUI, `offset` counts from the oldest job; without it, the newest jobs are listed. */
async function endedIds({ ledger }: Deps, key: string, { limit, offset = -1 }: Page): Promise<readonly string[]> {
  if (limit === 0) return [];
  if (offset < 0) return (await ledger.jobs.ended(key, { limit, offset: 0 })).ids;
  const { total } = await ledger.jobs.ended(key, { limit: 1, offset: 0 });
  const end = Math.max(0, total - offset);
  const start = Math.max(0, end - limit);
  return end === start ? [] : (await ledger.jobs.ended(key, { limit: end - start, offset: start })).ids;
}

/** Answers `{}` for a job that has not ended or does not exist. */
export async function getHistoryOf(deps: ComfyuiDeps, { caller, params }: ApiRequest): Promise<Reply> {
  const record = await ownPrompt(deps, caller, params.id ?? '');
  if (record === undefined || !isTerminal(record.status)) return { status: 200, body: {} };
  if (await deps.ledger.jobs.isHidden(record)) return { status: 200, body: {} };
  return { status: 200, body: `{${await memberOf(deps, record)}}`, job: record.id };
}

/** Hides ended jobs from the history. The jobs and their files stay. */
export async function postHistory(deps: Deps, { body, caller }: ApiRequest): Promise<Reply> {
  const { ledger, heavyReads } = deps;
  const wanted = idsIn(body, 'delete');
  const { clear } = isRecord(body) ? body : {};
  if (!clear && wanted.length === 0) return { status: 200 };
  await heavyReads(caller.id, async () => {
    if (clear) await ledger.jobs.hide(caller.id, 'all');
    const records = await pLimit(PROMPTS_AT_ONCE).map(wanted, (id) => ownPrompt(deps, caller, id));
    const ids = records.flatMap((record) => record?.id ?? []);
    if (ids.length > 0) await ledger.jobs.hide(caller.id, ids);
  });
  return { status: 200 };
}
