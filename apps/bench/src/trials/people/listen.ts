import { isTerminal, type Job } from '@comfy-fleet/contracts';
import { EventSource } from 'eventsource';
import type { Visit } from './visits.js';

export interface Listened {
  /** Connections after the first. */
  readonly reconnects: number;
  /** Streams that were cut rather than ended. */
  readonly cuts: number;
  /** The job as its last `status` had it; undefined: the listener gave up before the end. */
  readonly job: Job | undefined;
}

export interface ListenOptions {
  readonly url: string;
  readonly key: string;
  readonly visits: Visit[];
  /** Gives up then. */
  readonly signal: AbortSignal;
}

/** Listens to a job until its end, as a page's EventSource does: it comes back when its stream ends, and gives up at an error status. */
export function listen({ url, key, visits, signal }: ListenOptions): Promise<Listened> {
  let connections = 0;
  let cuts = 0;
  return new Promise((resolve) => {
    const source = new EventSource(url, {
      fetch: async (target, init) => {
        connections += 1;
        const sentAt = Date.now();
        const note = (status: number | undefined, fault: string | undefined) =>
          visits.push({ kind: 'listen', sentAt, answeredAt: Date.now(), status, fault });
        try {
          const answer = await fetch(target, {
            ...init,
            headers: { ...init.headers, authorization: `Bearer ${key}`, connection: 'close' },
          });
          const isGood = answer.status === 200 || answer.status === 204;
          note(answer.status, isGood ? undefined : `${answer.status}: ${await answer.clone().text()}`);
          return answer;
        } catch (error) {
          if (!signal.aborted) note(undefined, `no answer: ${String((error as Error).cause ?? error)}`);
          throw error;
        }
      },
    });
    const end = (job: Job | undefined) => {
      source.close();
      signal.removeEventListener('abort', giveUp);
      resolve({ reconnects: connections - 1, cuts, job });
    };
    const giveUp = () => end(undefined);
    signal.addEventListener('abort', giveUp, { once: true });
    source.addEventListener('status', ({ data }) => {
      const job = JSON.parse(data) as Job;
      if (isTerminal(job.status)) end(job);
    });
    source.addEventListener('error', (event) => {
      if (source.readyState === source.CLOSED) end(undefined);
      // An end in order has no message.
      else if (event.message !== undefined) cuts += 1;
    });
  });
}
