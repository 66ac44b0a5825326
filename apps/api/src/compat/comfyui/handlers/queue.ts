import type { JobRecord } from '@comfy-fleet/jobs';
import { knownCaller } from '../../../access/caller.js';
import type { Deps } from '../../../deps.js';
import type { Handler } from '../../../http/messages.js';
import { isRecord } from '../../../requests/is-record.js';
import { jsonInPieces, listed } from '../answer-text.js';
import type { Entries } from '../entries/entries.js';
import { looseJson } from '../loose-json.js';
import { idsIn } from '../own-prompt.js';
import { promptIdOf } from '../present/prompt-id.js';

/** Entries that are read at a time where they are not known. */
const AT_ONCE = 50;

/** How many of the caller's jobs have not ended. */
export function getPrompt({ ledger }: Deps): Handler {
  return async ({ caller }) => {
    const queue_remaining = await ledger.jobs.openCount(knownCaller(caller).id);
    return { status: 200, body: { exec_info: { queue_remaining } } };
  };
}

/** The caller's jobs that have not ended. Each is here until the very moment in which it is in the history. */
export function getQueue({ ledger }: Deps, entries: Entries): Handler {
  return async ({ caller }) => {
    const open = await ledger.jobs.open(knownCaller(caller).id);
    const texts: string[] = [];
    for (let at = 0; at < open.length; at += AT_ONCE) {
      texts.push(...(await Promise.all(open.slice(at, at + AT_ONCE).map((record) => entries.queued(record)))));
    }
    const those = (test: (record: JobRecord) => boolean) => texts.filter((_, index) => test(open[index] as JobRecord));
    return jsonInPieces([
      '{"queue_running":',
      ...listed('[]', those(isRunning)),
      ',"queue_pending":',
      ...listed(
        '[]',
        those((record) => !isRunning(record)),
      ),
      '}',
    ]);
  };
}

/** A job that is being canceled after it began still runs. */
export function isRunning({ status, startedAt }: Pick<JobRecord, 'status' | 'startedAt'>): boolean {
  return status === 'running' || (status === 'canceling' && startedAt !== null);
}

/** Cancels jobs that wait: those named, or all. Those that run stay, as in ComfyUI. */
export function postQueue({ ledger }: Deps): Handler {
  return async (request) => {
    const sent = looseJson(request);
    const ids = new Set(idsIn(sent, 'delete'));
    const { clear } = isRecord(sent) ? sent : {};
    if (!clear && ids.size === 0) return { status: 200 };
    const open = await ledger.jobs.open(knownCaller(request.caller).id);
    const chosen = open.filter((record) => !isRunning(record) && (Boolean(clear) || ids.has(promptIdOf(record))));
    for (let at = 0; at < chosen.length; at += AT_ONCE) {
      await Promise.all(chosen.slice(at, at + AT_ONCE).map(({ id }) => ledger.jobs.cancel(id)));
    }
    return { status: 200 };
  };
}
