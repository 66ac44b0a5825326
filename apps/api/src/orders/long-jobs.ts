import { once } from 'node:events';
import type { JobRecord } from '@comfy-fleet/jobs';
import { LRUCache } from 'lru-cache';
import type { ApiRequest, Reply } from '../server/messages.js';
import type { Turns } from '../server/turns.js';

/** To read, sign and send more outputs takes milliseconds. */
const MANY_OUTPUTS = 100;
/** How many ids of such jobs are kept. */
const MOST_KNOWN = 10_000;

export function isLong({ outputs }: Pick<JobRecord, 'outputs'>): boolean {
  return outputs.length > MANY_OUTPUTS;
}

/** Answers requests for one job in turns, as lists are, if the job was long when it was read last. */
export type LongJobs = ReturnType<typeof createLongJobs>;

export function createLongJobs(heavyReads: Turns) {
  const known = new LRUCache<string, true>({ max: MOST_KNOWN });
  return {
    /** Remembers whether a job that was just read is long. `id`: as requests name it. */
    note: (id: string, record: JobRecord) => {
      if (isLong(record)) known.set(id, true);
    },
    inTurn: async (request: ApiRequest, answer: () => Promise<Reply>): Promise<Reply> => {
      const { caller, params, signal } = request;
      if (!known.has(params.id ?? '')) return answer();
      return heavyReads(caller.id, answer, { signal, sent: untilSent(signal) });
    },
  };
}

/** Until the response has been sent, since that of a slow client stays in memory. */
export function untilSent(signal: AbortSignal): () => Promise<unknown> {
  return async () => signal.aborted || once(signal, 'abort');
}
