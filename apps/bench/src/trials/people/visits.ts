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
