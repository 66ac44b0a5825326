import { setTimeout as delay } from 'node:timers/promises';
import { isTerminal, type JobStatus } from '@comfy-fleet/contracts';
import type { KeyChange } from '@comfy-fleet/jobs';
import type { Deps } from '../../../deps.js';
import type { Group } from './group.js';
import { Run } from './run.js';

/** Ended jobs that are remembered, so that none ends twice. */
const MOST_ENDED = 500;
/** After the ledger did not answer. */
const RETRY_MS = 1000;

/**
 * The jobs of one client of a key while it has sockets. A waiting job costs an id; every other job is followed until its end
 * was sent. If the client gets its jobs in order, only the first one is followed, and the others count as waiting even if
 * they have begun or ended.
 */
export class ClientJobs {
  readonly #deps: Pick<Deps, 'config' | 'ledger' | 'frames' | 'log'>;
  readonly #group: Group;
  /** In the order in which they were sent, with the last known status of each. */
  #waiting = new Map<string, JobStatus>();
  readonly #inOrder: boolean;
  /** The open jobs were read: before that, the first one is unknown. */
  #knowsAll = false;
  readonly #runs = new Map<string, Run>();
  readonly #ended = new Set<string>();
  /** Of these it is known, and was not told yet. */
  readonly #ending = new Set<string>();
  readonly #onTold: () => void;
  readonly #over = new AbortController();

  /** `onTold` is called when all known ends were sent; `inOrder`: they are sent in the order of the jobs. */
  constructor(
    deps: Pick<Deps, 'config' | 'ledger' | 'frames' | 'log'>,
    group: Group,
    { inOrder, onTold }: { readonly inOrder: boolean; readonly onTold: () => void },
  ) {
    this.#deps = deps;
    this.#group = group;
    this.#inOrder = inOrder;
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
    if (!this.#runs.has(id)) this.#waiting.set(id, status);
    else if (isTerminal(status)) this.#ending.add(id);
    this.#followNext();
  }

  /** All jobs that ended since the client joined, and all open ones, in order. A waiting job in neither list has ended. */
  noteAll(ended: readonly KeyChange[], open: readonly KeyChange[]): void {
    this.#knowsAll = true;
    const before = this.#waiting;
    const known = new Set([...ended, ...open].map(({ id }) => id));
    this.#waiting = new Map([...before.keys()].filter((id) => !known.has(id)).map((id) => [id, 'running']));
    for (const { id, status } of [...ended, ...open]) {
      // A later status may have arrived since the lists were read.
      this.note({ id, status: status === 'queued' ? (before.get(id) ?? status) : status });
    }
    this.#followNext();
  }

  /** Nobody listens any more. */
  close(): void {
    this.#over.abort();
  }

  #followNext(): void {
    for (const [id, status] of this.#waiting) {
      if (this.#inOrder && (!this.#knowsAll || this.#runs.size > 0 || status === 'queued')) return;
      if (status !== 'queued') this.#follow(id, status);
    }
  }

  #follow(id: string, status: JobStatus): void {
    this.#waiting.delete(id);
    if (isTerminal(status)) this.#ending.add(id);
    const run = new Run(this.#deps, this.#group, id);
    this.#runs.set(id, run);
    void this.#untilTold(run, id).then(() => {
      this.#runs.delete(id);
      this.#ended.add(id);
      const wasEnding = this.#ending.delete(id);
      this.#followNext();
      if (wasEnding && !this.isEnding) this.#onTold();
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
