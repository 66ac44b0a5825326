import type { JobRecord } from '@comfy-fleet/jobs';
import { knownCaller } from '../../../access/caller.js';
import type { Deps } from '../../../deps.js';
import type { Handler } from '../../../http/messages.js';
import { isRecord } from '../../../requests/is-record.js';
import { listed, MOST_ANSWER_CHARS } from '../answer-text.js';
import type { Entries } from '../entries/entries.js';
import { bareEntry } from '../entries/prompt-parts.js';
import { looseJson } from '../loose-json.js';
import { idsIn } from '../own-prompt.js';
import { promptIdOf } from '../present/prompt-id.js';
import type { SharedAnswers } from '../shared-answers.js';

/** Cancels that are under way at a time. */
const AT_ONCE = 50;

/** How many of the caller's jobs have not ended. */
export function getPrompt({ ledger }: Deps): Handler {
  return async ({ caller }) => {
    const queue_remaining = await ledger.jobs.openCount(knownCaller(caller).id);
    return { status: 200, body: { exec_info: { queue_remaining } } };
  };
}

/**
 * The caller's jobs that have not ended. Each is here until the very moment in which it is in the history. What does not
 * fit into an answer is listed without its graph.
 */
export function getQueue({ ledger }: Deps, entries: Entries, answers: SharedAnswers): Handler {
  return (request) =>
    answers(request, 'queue', async (key) => {
      const running: string[] = [];
      const pending: string[] = [];
      let chars = 0;
      for await (const records of ledger.jobs.open(key)) {
        const isFull = chars > MOST_ANSWER_CHARS;
        const texts = await Promise.all(records.map((record) => (isFull ? bareEntry(record) : entries.queued(record))));
        for (const [index, text] of texts.entries()) {
          (isRunning(records[index] as JobRecord) ? running : pending).push(text);
          chars += text.length;
        }
      }
      return ['{"queue_running":', ...listed('[]', running), ',"queue_pending":', ...listed('[]', pending), '}'];
    });
}

/** A job that is being canceled after it began still runs. */
export function isRunning({ status, startedAt }: Pick<JobRecord, 'status' | 'startedAt'>): boolean {
  return status === 'running' || (status === 'canceling' && startedAt !== null);
}

/** Cancels jobs that wait: those named, or all. Those that run stay, as in ComfyUI. */
export function postQueue({ ledger, heavyReads }: Deps): Handler {
  return async (request) => {
    const sent = looseJson(request);
    const ids = new Set(idsIn(sent, 'delete'));
    const { clear } = isRecord(sent) ? sent : {};
    if (!clear && ids.size === 0) return { status: 200 };
    const { id: key } = knownCaller(request.caller);
    await heavyReads(key, async () => {
      for await (const open of ledger.jobs.open(key)) {
        const chosen = open.filter((record) => !isRunning(record) && (Boolean(clear) || ids.has(promptIdOf(record))));
        for (let at = 0; at < chosen.length; at += AT_ONCE) {
          await Promise.all(chosen.slice(at, at + AT_ONCE).map(({ id }) => ledger.jobs.cancel(id)));
        }
      }
    });
    return { status: 200 };
  };
}
