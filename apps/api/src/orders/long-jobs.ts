import { once } from 'node:events';
import type { Accepted, JobRecord } from '@comfy-fleet/jobs';
import { LRUCache } from 'lru-cache';
import { linksOf } from '../server/key-limits.js';
import type { ApiRequest, Handler, Reply } from '../server/messages.js';
import { EVENT_STREAM } from '../server/server-sent-events.js';
import { createReadTurns } from '../server/turns.js';

/** To read, sign and send more outputs or jobs takes milliseconds. */
const MANY = 100;
/** How many ids and Idempotency-Keys of such jobs are kept. */
const MOST_KNOWN = 10_000;

export function isLong({ outputs }: Pick<JobRecord, 'outputs'>): boolean {
  return outputs.length > MANY;
}

/** Answers requests about one job or order in turns, as lists are, if it was long when it was read last. */
export type LongJobs = ReturnType<typeof createLongJobs>;

export function createLongJobs() {
  const turns = createReadTurns(); // not those of lists, which handlers wait for
  /** Their API keys. A job is known by how its key names it, and by its id to signed links. */
  const known = new LRUCache<string, string>({ max: MOST_KNOWN });
  return {
    /** Remembers whether a job that was just read is long. `id`: as requests name it. */
    note: (id: string, record: JobRecord) => {
      if (!isLong(record)) return;
      known.set(nameOf(id, record.key), record.key);
      known.set(record.id, record.key);
    },
    /** Remembers whether an order that the request repeats is long. */
    noteOrder: (request: ApiRequest, { ids, only }: Pick<Accepted, 'ids' | 'only'>) => {
      if (ids.length > MANY || (only !== undefined && isLong(only.record)))
        known.set(orderOf(request), request.caller.id);
    },
    /** Waits for a turn, which lasts until the response has been sent. */
    turn: (key: string, signal: AbortSignal) => turns(key, () => {}, { signal, sent: untilSent(signal) }),
    /** Answers a request, in turn if it is about a job or an order that is known to be long. */
    inTurn: (request: ApiRequest, handler: Handler): Promise<Reply> | Reply => {
      const { params, signal, visitor } = request;
      const key = known.get(nameOf(params.id, visitor?.id)) ?? known.get(orderOf(request));
      if (key === undefined) return handler(request);
      const sent = untilSent(signal);
      const isStream = ({ headers }: Reply) => headers?.['Content-Type'] === EVENT_STREAM;
      const answer = () => handler(request);
      return turns(visitor?.id ?? linksOf(key), answer, { signal, sent: async (reply) => isStream(reply) || sent() });
    },
  };
}

/** What a job is known by. A key chooses some of its names, which may be ids of other keys' jobs. */
function nameOf(id = '', key?: string): string {
  return key === undefined ? id : `${key} ${id}`;
}

/** The order that the request repeats, if it does. */
function orderOf({ method, visitor, header }: ApiRequest): string {
  return `${method} ${visitor?.id} ${header('idempotency-key')}`;
}

/** Until the response is over, since that of a slow client stays in memory. */
export function untilSent(signal: AbortSignal): () => Promise<unknown> {
  return async () => signal.aborted || once(signal, 'abort');
}
