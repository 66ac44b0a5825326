import { isTerminal } from '@comfy-fleet/contracts';
import type { Deps } from '../../../deps.js';
import { knownCaller } from '../../../server/caller.js';
import { isRecord } from '../../../server/is-record.js';
import type { ApiRequest, Handler } from '../../../server/messages.js';
import { listed, MOST_ANSWER_CHARS } from '../answer-text.js';
import type { Entries, KeptEntry } from '../entries/entries.js';
import { wholeNumber } from '../numbers.js';
import { idsIn, ownPrompt } from '../own-prompt.js';
import type { SharedAnswers } from '../shared-answers.js';

/** The newest jobs that have ended and fit into an answer, by prompt id, the one that ended first in front. */
export function getHistory(deps: Deps, entries: Entries, answers: SharedAnswers): Handler {
  const most = deps.config.compat.comfyuiMaxHistory;
  return (request) => {
    const wanted = wholeNumber(request.query, 'max_items');
    const offset = wholeNumber(request.query, 'offset');
    const limit = Math.min(Math.max(wanted ?? most, 0), most);
    return answers(request, `history ${limit} ${offset}`, async (key) => {
      const found = await newest(deps, entries, key, await endedIds(deps, key, { limit, offset }));
      const members = found.reverse().map(({ promptId, text }) => `${JSON.stringify(promptId)}:${text}`);
      return listed('{}', members);
    });
  };
}

/** As many as fit into an answer, one at least. */
async function newest({ ledger }: Deps, entries: Entries, key: string, ids: readonly string[]): Promise<KeptEntry[]> {
  const found: KeptEntry[] = [];
  let chars = 0;
  for await (const page of ledger.jobs.pages(key, ids)) {
    for (const entry of await Promise.all(page.map((id) => entries.endedById(id)))) {
      if (entry === undefined) continue;
      chars += entry.text.length;
      if (found.length > 0 && chars > MOST_ANSWER_CHARS) return found;
      found.push(entry);
    }
  }
  return found;
}

/** Newest first; ComfyUI counts `offset` from the oldest, and takes the newest without one. */
async function endedIds(
  { ledger }: Deps,
  key: string,
  { limit, offset = -1 }: { readonly limit: number; readonly offset: number | undefined },
): Promise<readonly string[]> {
  if (limit === 0) return [];
  if (offset < 0) return (await ledger.jobs.ended(key, { limit, offset: 0 })).ids;
  const { total } = await ledger.jobs.ended(key, { limit: 1, offset: 0 });
  const end = Math.max(0, total - offset);
  const start = Math.max(0, end - limit);
  if (end === start) return [];
  return (await ledger.jobs.ended(key, { limit: end - start, offset: start })).ids;
}

/** One job that has ended, by its prompt id; `{}` for one that has not, or is none. */
export function getHistoryOf(deps: Deps, entries: Entries): Handler {
  return async ({ caller, params: { id = '' } }) => {
    const record = await ownPrompt(deps, knownCaller(caller), id);
    if (record === undefined || !isTerminal(record.status) || record.isHidden) return { status: 200, body: {} };
    return { status: 200, body: `{${JSON.stringify(id)}:${await entries.ended(record)}}`, job: record.id };
  };
}

/** Takes ended jobs out of the history; the jobs and their files stay. */
export function postHistory(deps: Deps): Handler {
  return async (request: ApiRequest) => {
    const sent = request.body;
    const { id: key } = knownCaller(request.caller);
    const { clear } = isRecord(sent) ? sent : {};
    if (clear) await deps.ledger.jobs.hide(key, 'all');
    const records = await Promise.all(
      idsIn(sent, 'delete').map((id) => ownPrompt(deps, knownCaller(request.caller), id)),
    );
    const ids = records.flatMap((record) => (record === undefined ? [] : [record.id]));
    if (ids.length > 0) await deps.ledger.jobs.hide(key, ids);
    return { status: 200 };
  };
}
