import { knownCaller } from '../../server/caller.js';
import type { ApiRequest, Reply } from '../../server/messages.js';
import type { Turns } from '../../server/turns.js';
import { jsonInPieces, mustStream } from './answer-text.js';

type Asking = Pick<ApiRequest, 'caller' | 'signal'>;

/** Answers `what` as JSON in pieces that are read in their turn. */
export type SharedAnswers = (
  request: Asking,
  what: string,
  read: (key: string) => Promise<readonly string[]>,
) => Promise<Reply>;

interface Turn {
  readonly requests: Asking[];
  readonly pieces: Promise<readonly string[]>;
}

/**
 * Clients ask for the queue at every change of it, once for each prompt that they wait for. Those of a key that wait for
 * the same answer share the next one: it is read after they asked, so that nobody gets what was true before.
 */
export function createSharedAnswers(heavyReads: Turns): SharedAnswers {
  const waiting = new Map<string, Turn>();
  const begin = (key: string, id: string, read: (key: string) => Promise<readonly string[]>): Turn => {
    const requests: Asking[] = [];
    const start = () => {
      waiting.delete(id);
      return read(key);
    };
    const sent = async (pieces: readonly string[]) => {
      if (mustStream(pieces)) await Promise.all(requests.map(({ signal }) => aborted(signal)));
    };
    const turn = { requests, pieces: heavyReads(key, start, sent) };
    waiting.set(id, turn);
    turn.pieces.catch(() => {
      if (waiting.get(id) === turn) waiting.delete(id);
    });
    return turn;
  };
  return async (request, what, read) => {
    const key = knownCaller(request.caller).id;
    const id = `${key} ${what}`;
    const turn = waiting.get(id) ?? begin(key, id, read);
    turn.requests.push(request);
    return jsonInPieces(await turn.pieces);
  };
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener('abort', () => resolve(), { once: true });
  });
}
