import type { JobRecord } from '@comfy-fleet/jobs';
import type { Deps } from '../../../deps.js';
import { knownCaller } from '../../../server/caller.js';
import { isRecord } from '../../../server/is-record.js';
import type { Handler } from '../../../server/messages.js';
import { listed, MOST_ANSWER_CHARS } from '../answer-text.js';
import type { Entries } from '../entries/entries.js';
import { bareEntry } from '../entries/prompt-parts.js';
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
 * The caller's jobs that have not ended. A job moves from here to the history in one step. A ComfyUI runs one prompt at a
 * time, so the job that began first is listed as running, and the other running jobs come first among the pending ones.
 * Jobs that do not fit into the answer are listed without their graphs.
 */
export function getQueue({ ledger }: Deps, entries: Entries, answers: SharedAnswers): Handler {
  return (request) =>
    answers(request, 'queue', async (key) => {
      const running: { readonly startedAt: number | null; readonly text: string }[] = [];
      const pending: string[] = [];
      let chars = 0;
      for await (const records of ledger.jobs.open(key)) {
        const isFull = chars > MOST_ANSWER_CHARS;
        const texts = await Promise.all(records.map((record) => (isFull ? bareEntry(record) : entries.queued(record))));
        for (const [index, text] of texts.entries()) {
          const record = records[index] as JobRecord;
          if (isRunning(record)) running.push({ startedAt: record.startedAt, text });
          else pending.push(text);
          chars += text.length;
        }
      }
      const [first = [], ...others] = running.sort(byBeginning).map(({ text }) => [text]);
      const waiting = [...others.flat(), ...pending];
      return ['{"queue_running":', ...listed('[]', first), ',"queue_pending":', ...listed('[]', waiting), '}'];
    });
}

/** A job that is being canceled after it began still runs. */
export function isRunning({ status, startedAt }: Pick<JobRecord, 'status' | 'startedAt'>): boolean {
  return status === 'running' || (status === 'canceling' && startedAt !== null);
}

export function byBeginning(a: Pick<JobRecord, 'startedAt'>, b: Pick<JobRecord, 'startedAt'>): number {
  return (a.startedAt ?? 0) - (b.startedAt ?? 0);
}

/** Cancels the named jobs, or all, but for the one that the queue lists as running, as ComfyUI does. */
export function postQueue({ ledger, heavyReads }: Deps): Handler {
  return async (request) => {
    const sent = request.body;
    const ids = new Set(idsIn(sent, 'delete'));
    const { clear } = isRecord(sent) ? sent : {};
    if (!clear && ids.size === 0) return { status: 200 };
    const { id: key } = knownCaller(request.caller);
    await heavyReads(key, async () => {
      const chosen: string[] = [];
      let first: Pick<JobRecord, 'id' | 'startedAt'> | undefined;
      for await (const open of ledger.jobs.open(key)) {
        for (const record of open) {
          const { id, startedAt } = record;
          if (isRunning(record) && (first === undefined || byBeginning(record, first) < 0)) first = { id, startedAt };
          if (clear || ids.has(promptIdOf(record))) chosen.push(id);
        }
      }
      const canceled = chosen.filter((id) => id !== first?.id);
      for (let at = 0; at < canceled.length; at += AT_ONCE) {
        await Promise.all(canceled.slice(at, at + AT_ONCE).map((id) => ledger.jobs.cancel(id)));
      }
    });
    return { status: 200 };
  };
}
