import type { JobRecord } from '@comfy-fleet/jobs';
import pLimit from 'p-limit';
import type { Deps } from '../../deps.js';
import { knownCaller } from '../../server/caller.js';
import { isRecord } from '../../server/json-body.js';
import type { ApiRequest, Reply } from '../../server/messages.js';
import { clientOf } from './post-prompt.js';
import { type ComfyuiDeps, idsIn, promptIdOf, promptTuple } from './prompts.js';
import { MAX_ANSWER_CHARS } from './shared-answers.js';

/** Cancels under way at a time. */
const CANCELS_AT_ONCE = 50;

/** How many of the caller's jobs have not ended. */
export async function getPrompt({ ledger }: Deps, { caller }: ApiRequest): Promise<Reply> {
  const queue_remaining = await ledger.jobs.openCount(knownCaller(caller).id);
  return { status: 200, body: { exec_info: { queue_remaining } } };
}

/**
 * The caller's jobs that have not ended. A job moves from here to the history in one step. A ComfyUI runs one prompt at a
 * time, so only the job that began first is listed as running, and the other running jobs come first among the pending
 * ones. Jobs that do not fit into the answer are listed without their graphs.
 */
export function getQueue(deps: ComfyuiDeps, request: ApiRequest): Promise<Reply> {
  return deps.share(request, 'queue', (key) => queueOf(deps, key));
}

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

/** Cancels the named jobs, or all. As in ComfyUI, the one that the queue lists as running goes on. */
export async function postQueue(deps: Deps, { body, caller }: ApiRequest): Promise<Reply> {
  const { ledger, heavyReads } = deps;
  const ids = new Set(idsIn(body, 'delete'));
  const { clear } = isRecord(body) ? body : {};
  if (!clear && ids.size === 0) return { status: 200 };
  const { id: key } = knownCaller(caller);
  await heavyReads(key, async () => {
    const chosen: string[] = [];
    let first: JobRecord | undefined;
    for await (const record of openJobs(deps, key)) {
      first = firstOf(first, record);
      if (clear || ids.has(promptIdOf(record))) chosen.push(record.id);
    }
    const canceled = chosen.filter((id) => id !== first?.id);
    await pLimit(CANCELS_AT_ONCE).map(canceled, (id) => ledger.jobs.cancel(id));
  });
  return { status: 200 };
}

/**
 * Stops one running job of the caller: the one that `prompt_id` names, else the one that began first, of the asking client
 * if it says who it is. Always answers 200, as ComfyUI does.
 */
export async function interrupt(deps: Deps, { body, caller, query }: ApiRequest): Promise<Reply> {
  const { prompt_id: wanted, client_id } = isRecord(body) ? body : {};
  const client = clientOf(client_id ?? query.get('clientId') ?? undefined);
  const isMeant = (record: JobRecord) =>
    wanted ? promptIdOf(record) === wanted : client === undefined || record.client === client;
  const { id: key } = knownCaller(caller);
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

/** A job that is being canceled after it began still runs. */
function isRunning({ status, startedAt }: JobRecord): boolean {
  return status === 'running' || (status === 'canceling' && startedAt !== null);
}

/** The running job that began first. */
function firstOf(first: JobRecord | undefined, next: JobRecord): JobRecord | undefined {
  if (!isRunning(next)) return first;
  return first === undefined || (next.startedAt ?? 0) < (first.startedAt ?? 0) ? next : first;
}
