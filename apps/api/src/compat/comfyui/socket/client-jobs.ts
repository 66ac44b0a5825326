import { setTimeout as delay } from 'node:timers/promises';
import type { KeyChange } from '@comfy-fleet/jobs';
import type { Deps } from '../../../deps.js';
import type { Message } from '../present/messages.js';
import type { Group } from './group.js';
import { Run } from './run.js';

/** Ended jobs that are remembered, so that none ends twice. */
const MOST_ENDED = 500;
/** After the ledger did not answer. */
const RETRY_MS = 1000;

/**
 * The jobs of one client of a key while it has sockets. Those that wait cost an id; each of the others is followed until its
 * end was told.
 */
export class ClientJobs {
  readonly #deps: Pick<Deps, 'ledger' | 'frames' | 'log'>;
  readonly #group: Group;
  readonly #waiting = new Set<string>();
  readonly #runs = new Map<string, Run>();
  readonly #ended = new Set<string>();
  readonly #over = new AbortController();

  constructor(deps: Pick<Deps, 'ledger' | 'frames' | 'log'>, group: Group) {
    this.#deps = deps;
    this.#group = group;
  }

  /** What a socket is to be told that comes late. */
  get soFar(): Message[] {
    return [...this.#runs.values()].flatMap((run) => run.soFar);
  }

  /** It is known that the job has this status, or a later one. */
  note({ id, status }: Pick<KeyChange, 'id' | 'status'>): void {
    if (this.#runs.has(id) || this.#ended.has(id)) return;
    if (status === 'queued') this.#waiting.add(id);
    else this.#follow(id);
  }

  /** These are all that are open: what waited before, and is not among them, has ended. */
  noteOpen(open: readonly KeyChange[]): void {
    const ids = new Set(open.map(({ id }) => id));
    for (const change of open) this.note(change);
    for (const id of this.#waiting) if (!ids.has(id)) this.#follow(id);
  }

  /** Nobody listens any more. */
  close(): void {
    this.#over.abort();
  }

  #follow(id: string): void {
    this.#waiting.delete(id);
    const run = new Run(this.#deps, this.#group, id);
    this.#runs.set(id, run);
    void this.#untilTold(run, id).then(() => {
      this.#runs.delete(id);
      this.#ended.add(id);
      const [oldest] = this.#ended;
      if (this.#ended.size > MOST_ENDED && oldest !== undefined) this.#ended.delete(oldest);
    });
  }

  async #untilTold(run: Run, id: string): Promise<void> {
    const { signal } = this.#over;
    while (!signal.aborted) {
      try {
        return await run.follow(signal);
      } catch (error) {
        if (signal.aborted) return;
        this.#deps.log.warn('a job could not be followed for a socket', { job: id, error });
        await delay(RETRY_MS, undefined, { signal }).catch(() => undefined);
      }
    }
  }
}
