import { setTimeout as delay } from 'node:timers/promises';
import { isTerminal } from '@comfy-fleet/contracts';
import type { KeyChange } from '@comfy-fleet/jobs';
import type { Deps } from '../../../deps.js';
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
  readonly #deps: Pick<Deps, 'config' | 'ledger' | 'frames' | 'log'>;
  readonly #group: Group;
  readonly #waiting = new Set<string>();
  readonly #runs = new Map<string, Run>();
  readonly #ended = new Set<string>();
  /** Of these it is known, and was not told yet. */
  readonly #ending = new Set<string>();
  readonly #onTold: () => void;
  readonly #over = new AbortController();

  /** `onTold` is called when all ends that are known were told. */
  constructor(deps: Pick<Deps, 'config' | 'ledger' | 'frames' | 'log'>, group: Group, onTold: () => void) {
    this.#deps = deps;
    this.#group = group;
    this.#onTold = onTold;
  }

  /** Jobs have ended, and that was not told yet. */
  get isEnding(): boolean {
    return this.#ending.size > 0;
  }

  /** There are jobs whose end was not told. */
  get isWaiting(): boolean {
    return this.#waiting.size + this.#runs.size > 0;
  }

  /** It is known that the job has this status, or a later one. */
  note({ id, status }: Pick<KeyChange, 'id' | 'status'>): void {
    if (this.#ended.has(id)) return;
    if (isTerminal(status)) this.#ending.add(id);
    if (this.#runs.has(id)) return;
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
      if (this.#ending.delete(id) && !this.isEnding) this.#onTold();
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
