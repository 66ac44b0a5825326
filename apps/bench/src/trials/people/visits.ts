import { isTerminal, type Job } from '@comfy-fleet/contracts';
import { EventSource } from 'eventsource';
import { type Answer, ask, type Question } from '../../lib/http.js';

/** A request that is not retried. */
export interface Visit {
  /** The purpose of the request. */
  readonly kind: string;
  readonly sentAt: number;
  readonly answeredAt: number;
  /** Undefined if there was no answer. */
  readonly status: number | undefined;
  /** Why it failed; undefined if it succeeded. */
  readonly fault: string | undefined;
}

/** Sends requests and records how each one went. */
export class Visits {
  readonly list: Visit[] = [];
  readonly #url: string;

  constructor(url: string) {
    this.#url = url;
  }

  /**
   * Sends a request once and records a fault unless the status is `good`. Never rejects. Each request has its own
   * connection, because nginx closes idle ones at a reload, and a request sent at that moment would fail.
   */
  async ask(kind: string, path: string, question: Question, good: number): Promise<Answer> {
    const answer = await ask(`${this.#url}${path}`, { ...question, alone: true });
    const { status, body, sentAt, answeredAt } = answer;
    const fault = status === good ? undefined : `${status ?? 'no answer'}: ${JSON.stringify(body)}`;
    this.list.push({ kind, sentAt, answeredAt, status, fault });
    return answer;
  }
}

/** The longest time without a good answer between `from` and `to`, in ms. */
export function longestGap(visits: readonly Visit[], from: number, to: number): number {
  const good = visits.filter(({ fault }) => fault === undefined).map(({ answeredAt }) => answeredAt);
  const times = [from, ...good.filter((at) => at > from && at < to).sort((a, b) => a - b), to];
  return Math.max(...times.slice(1).map((at, n) => at - (times[n] as number)));
}

export interface Listened {
  /** The number of connections after the first one. */
  readonly reconnects: number;
  /** The number of streams that broke off. */
  readonly cuts: number;
  /** The job in the last `status` event; undefined if the listener gave up before the end. */
  readonly job: Job | undefined;
}

export interface ListenOptions {
  readonly url: string;
  readonly key: string;
  readonly visits: Visit[];
  /** Makes the listener give up. */
  readonly signal: AbortSignal;
}

/**
 * Follows a job to its end like an EventSource in a browser: it reconnects when the stream ends, and gives up after an
 * error status.
 */
export function listen({ url, key, visits, signal }: ListenOptions): Promise<Listened> {
  let connections = 0;
  let cuts = 0;
  return new Promise((resolve) => {
    const source = new EventSource(url, {
      fetch: async (target, init) => {
        connections += 1;
        const sentAt = Date.now();
        const record = (status: number | undefined, fault: string | undefined) =>
          visits.push({ kind: 'listen', sentAt, answeredAt: Date.now(), status, fault });
        try {
          const answer = await fetch(target, {
            ...init,
            headers: { ...init.headers, authorization: `Bearer ${key}`, connection: 'close' },
          });
          const isGood = answer.status === 200 || answer.status === 204;
          record(answer.status, isGood ? undefined : `${answer.status}: ${await answer.clone().text()}`);
          return answer;
        } catch (error) {
          if (!signal.aborted) record(undefined, `no answer: ${String((error as Error).cause ?? error)}`);
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
      // The event of a regular end has no message.
      else if (event.message !== undefined) cuts += 1;
    });
  });
}
