import { setMaxListeners } from 'node:events';
import { setTimeout as delay, setImmediate as yieldToEventLoop } from 'node:timers/promises';
import { firstIdAt, type KeyChange } from '@comfy-fleet/jobs';
import type { Deps } from '../../../deps.js';
import { ClientJobs } from './client-jobs.js';
import { messageFrame } from './frames.js';
import { Group } from './group.js';
import type { Outlet } from './outlet.js';
import { repeated } from './repeated.js';

interface Client {
  readonly group: Group;
  readonly jobs: ClientJobs;
  /** How long its sockets know the queue to be. */
  told?: number;
}

type Needs = Pick<Deps, 'config' | 'ledger' | 'frames' | 'log' | 'heartbeatMs'>;

/** Changes of the length of the queue in this time are one. */
const COUNT_MS = 250;
/** Ended jobs that are looked at for those that were ordered and over before the feed was heard. */
const MOST_ENDED = 100;
const RETRY_MS = 1000;
/** Clients take a socket that says nothing for 10 s for dead, and know of no pings: they hear so many times a heartbeat. */
const STATUS_PER_HEARTBEAT = 3;

/** The sockets of one key, and one subscription to what becomes of its jobs while there are any. */
export class KeyHub {
  readonly #key: string;
  readonly #needs: Needs;
  readonly #clients = new Map<string, Client>();
  readonly #over = new AbortController();
  readonly #countAgain: () => void;
  readonly #countForNew: () => void;
  readonly #lookAgain: () => void;
  #count: number | undefined;

  constructor(key: string, needs: Needs) {
    this.#key = key;
    this.#needs = needs;
    const { signal } = this.#over;
    setMaxListeners(0, signal);
    this.#countAgain = repeated(() => this.#readCount(), { pauseMs: COUNT_MS, signal, log: needs.log });
    this.#countForNew = repeated(() => this.#readCount(), { pauseMs: 0, signal, log: needs.log });
    this.#lookAgain = repeated(() => this.#look(), { pauseMs: 0, signal, log: needs.log });
    const beat = setInterval(() => this.#repeatCount(), needs.heartbeatMs / STATUS_PER_HEARTBEAT);
    signal.addEventListener('abort', () => clearInterval(beat), { once: true });
    void this.#listen();
  }

  get isEmpty(): boolean {
    return this.#clients.size === 0;
  }

  /** `inOrder`: the client hears of its prompts in the order in which it sent them. */
  join(clientId: string, outlet: Outlet, inOrder: boolean): void {
    const client = this.#clients.get(clientId) ?? this.#newClient(clientId, inOrder);
    client.group.outlets.add(outlet);
    // A client that has just sent a prompt expects it in the first count.
    this.#countForNew();
  }

  leave(clientId: string, outlet: Outlet): void {
    const client = this.#clients.get(clientId);
    if (client === undefined || !client.group.outlets.delete(outlet) || client.group.outlets.size > 0) return;
    client.jobs.close();
    this.#clients.delete(clientId);
    if (this.isEmpty) this.#over.abort();
  }

  #newClient(clientId: string, inOrder: boolean): Client {
    const group = new Group();
    const jobs = new ClientJobs(this.#needs, group, { inOrder, onTold: () => this.#tellClient(client) });
    const client: Client = { group, jobs };
    this.#clients.set(clientId, client);
    this.#lookAgain();
    return client;
  }

  async #listen(): Promise<void> {
    const { signal } = this.#over;
    const { ledger, log } = this.#needs;
    while (!signal.aborted) {
      try {
        for await (const change of ledger.jobs.changesOf(this.#key, { signal })) this.#hear(change);
      } catch (error) {
        if (signal.aborted) return;
        log.warn('the jobs of a key could not be followed for its sockets', { key: this.#key, error });
        await delay(RETRY_MS, undefined, { signal }).catch(() => undefined);
      }
    }
  }

  #hear(change: KeyChange | undefined): void {
    this.#countAgain();
    if (change === undefined) this.#lookAgain();
    else if (change.client !== null) this.#clients.get(change.client)?.jobs.note(change);
  }

  /** Looks what is open, and what ended before it was heard of. */
  async #look(): Promise<void> {
    const { jobs } = this.#needs.ledger;
    const clients = [...this.#clients];
    const since = firstIdAt(Math.min(...clients.map(([, { group }]) => group.since)));
    const open = await jobs.openStates(this.#key);
    const { ids } = await jobs.ended(this.#key, { limit: MOST_ENDED, offset: 0 });
    const ended = await Promise.all(ids.filter((id) => id >= since).map((id) => jobs.get(id)));
    // The ledger lists the newest first.
    const over = ended.flatMap((snapshot) => snapshot?.record ?? []).reverse();
    for (const [clientId, { group, jobs: known }] of clients) {
      const isOwn = ({ client }: KeyChange) => client === clientId;
      const sinceThen = over.filter(({ id }) => id >= firstIdAt(group.since));
      known.noteAll(sinceThen.filter(isOwn), open.filter(isOwn));
    }
  }

  async #readCount(): Promise<void> {
    const joined = [...this.#clients].flatMap(([sid, client]) =>
      [...client.group.outlets].filter(({ isOpened }) => !isOpened).map((outlet) => ({ sid, client, outlet })),
    );
    const count = await this.#needs.ledger.jobs.openCount(this.#key);
    this.#count = count;
    // What was published before that is heard by then.
    await yieldToEventLoop();
    // The count may be out of date for sockets that joined while it was read.
    for (const { sid, client, outlet } of joined) {
      if (outlet.isOpened) continue;
      client.told ??= count;
      outlet.open(messageFrame(['status', { ...statusOf(count), sid }]), client.group.soFar.map(messageFrame));
    }
    for (const client of this.#clients.values()) this.#tellClient(client);
  }

  /** To those who wait for something. */
  #repeatCount(): void {
    for (const { group, jobs, told } of this.#clients.values()) {
      if (told === undefined || !jobs.isWaiting || jobs.isEnding) continue;
      this.#tellCount(group, told);
    }
  }

  /** As in ComfyUI, a client hears how a prompt ended before it hears that the queue is shorter. */
  #tellClient(client: Client): void {
    const count = this.#count;
    if (count === undefined || client.told === count || client.jobs.isEnding) return;
    client.told = count;
    this.#tellCount(client.group, count);
  }

  #tellCount({ outlets }: Group, count: number): void {
    const text = messageFrame(['status', statusOf(count)]);
    for (const outlet of outlets) if (outlet.isOpened) outlet.send(text);
  }
}

const statusOf = (count: number) => ({ status: { exec_info: { queue_remaining: count } } });
