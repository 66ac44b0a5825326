import { Readable } from 'node:stream';
import { knownCaller } from '../../server/caller.js';
import type { ApiRequest, Reply } from '../../server/messages.js';
import type { Turns } from '../../server/turns.js';

export const JSON_TYPE = { 'Content-Type': 'application/json; charset=utf-8' };
/** A longer history lacks its oldest entries, a longer queue the graphs of its last ones. */
export const MAX_ANSWER_CHARS = 8 * 1024 * 1024;

/** Answers the JSON that `read` makes for the caller's key. `what` names the answer among those of the key. */
export type ShareAnswer = (
  request: Pick<ApiRequest, 'caller' | 'signal'>,
  what: string,
  read: (key: string) => Promise<string>,
) => Promise<Reply>;

/**
 * @saintno/comfyui-sdk reads the queue at every change of it, once for each prompt that it waits for. So requests of a key
 * for the same answer share it if they came before it was read. Its turn lasts until all of them have it, because slow
 * readers keep it in memory.
 */
export function createShareAnswer(heavyReads: Turns): ShareAnswer {
  const waiting = new Map<string, { readonly signals: AbortSignal[]; readonly data: Promise<Buffer> }>();
  const begin = (key: string, id: string, read: (key: string) => Promise<string>) => {
    const signals: AbortSignal[] = [];
    const start = async () => {
      waiting.delete(id);
      return Buffer.from(await read(key));
    };
    const answer = { signals, data: heavyReads(key, start, () => Promise.all(signals.map(aborted))) };
    waiting.set(id, answer);
    answer.data.catch(() => {
      if (waiting.get(id) === answer) waiting.delete(id);
    });
    return answer;
  };
  return async ({ caller, signal }, what, read) => {
    const { id: key } = knownCaller(caller);
    const id = `${key} ${what}`;
    const { signals, data } = waiting.get(id) ?? begin(key, id, read);
    signals.push(signal);
    const body = await data;
    return { status: 200, headers: { ...JSON_TYPE, 'Content-Length': `${body.length}` }, body: Readable.from([body]) };
  };
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener('abort', () => resolve(), { once: true });
  });
}
