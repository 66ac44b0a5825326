import { isTerminal, type Job } from '@comfy-fleet/contracts';
import { EventSource } from 'eventsource';
import { type Answer, ask, type Question } from '../../lib/http.js';

/** A request of somebody who does not try again. */
export interface Visit {
  /** What it was for. */
  readonly kind: string;
  readonly sentAt: number;
  readonly answeredAt: number;
  /** Undefined: no answer. */
  readonly status: number | undefined;
  /** Why it was no good; undefined: it was. */
  readonly fault: string | undefined;
}

/** Everything that was asked, and how it went. */
export class Visits {
  readonly list: Visit[] = [];
  readonly #url: string;

  constructor(url: string) {
    this.#url = url;
  }

  /**
   * Asks once; any status but `good` is a fault. Never rejects. Nobody keeps a connection to nginx: at a reload it closes
   * those that are idle, and a client that just then sends has to send again, whatever is behind.
   */
  async ask(kind: string, path: string, question: Question, good: number): Promise<Answer> {
    const answer = await ask(`${this.#url}${path}`, { ...question, alone: true });
    const { status, body, sentAt, answeredAt } = answer;
    const fault = status === good ? undefined : `${status ?? 'no answer'}: ${JSON.stringify(body)}`;
    this.list.push({ kind, sentAt, answeredAt, status, fault });
    return answer;
  }
}

/** Longest time between two good answers, whoever got them, from `from` to `to`, in ms. */
export function longestGap(visits: readonly Visit[], from: number, to: number): number {
  const good = visits.filter(({ fault }) => fault === undefined).map(({ answeredAt }) => answeredAt);
  const times = [from, ...good.filter((at) => at > from && at < to).sort((a, b) => a - b), to];
  return Math.max(...times.slice(1).map((at, n) => at - (times[n] as number)));
}

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
