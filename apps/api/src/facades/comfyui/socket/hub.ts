import { randomUUID } from 'node:crypto';
import { setMaxListeners } from 'node:events';
import { setTimeout as delay, setImmediate as yieldToEventLoop } from 'node:timers/promises';
import { orAborted } from '@comfy-fleet/contracts';
import { firstIdAt, type KeyChange } from '@comfy-fleet/jobs';
import type { Deps } from '../../../deps.js';
import type { SocketRoute } from '../../../server/sockets.js';
import { createTurns, type Turns } from '../../../server/turns.js';
import { clientOf } from '../post-prompt.js';
import { Client, untilDone } from './client.js';
import { messageFrame, Outlet } from './outlet.js';

/** Changes of the queue length within this time are sent as one. */
const COUNT_MS = 250;
/** How many ended jobs are searched for jobs that ended before the subscription to the key's changes began. */
const MAX_ENDED = 100;
/** Messages per heartbeat: some clients ignore pings, and close a socket that was silent for 10 s. */
const STATUS_PER_HEARTBEAT = 3;

/** How long the queue waits for ends to be sent, in ms. */
const ENDS_MS = 5000;

/** How many sockets with one client id get messages, which are sent in one go. ComfyUI sends them only to the newest one. */
const MAX_SOCKETS = 4;

/** How many pictures of SaveImageWebsocket nodes this process holds in memory until their clients have read them. */
const MAX_PICTURES = 16;
const MAX_PICTURES_OF_KEY = 2;

export interface SocketHub {
  readonly connect: SocketRoute['connect'];
  /** Resolves when the ends of the key's ended jobs were sent to its sockets at this process, or when that takes too long. */
  endsSent(key: string): Promise<void>;
}

/**
 * Serves the sockets on which callers follow their jobs as prompts of a ComfyUI. A client id identifies a client only
 * within its key; its newest sockets get the same messages. A client without an id gets a random one.
 */
export function socketHub(deps: Deps): SocketHub {
  const keys = new Map<string, KeyHub>();
  const sending = createTurns(MAX_PICTURES, { ofKey: MAX_PICTURES_OF_KEY });
  const connect: SocketRoute['connect'] = (socket, { caller: { id: key }, query }) => {
    const client = clientOf(query.get('clientId')) ?? randomUUID().replaceAll('-', '');
    const hub = keys.get(key) ?? new KeyHub(key, deps, sending);
    keys.set(key, hub);
    const outlet = new Outlet(socket, deps.config.http.maxSocketBufferBytes);
    socket.once('close', () => {
      hub.leave(client, outlet);
      if (hub.isEmpty && keys.get(key) === hub) keys.delete(key);
    });
    hub.join(client, outlet);
  };
  return { connect, endsSent: async (key) => keys.get(key)?.endsSent() };
}

/** The sockets of one key. While there are any, they share one subscription to the changes of the key's jobs. */
class KeyHub {
  readonly #key: string;
  readonly #deps: Deps;
  readonly #sending: Turns;
  readonly #clients = new Map<string, Client>();
  readonly #closed = new AbortController();
  readonly #countSoon: () => void;
  readonly #countNow: () => void;
  readonly #readJobs: () => void;
  #count: number | undefined;

  constructor(key: string, deps: Deps, sending: Turns) {
    this.#key = key;
    this.#deps = deps;
    this.#sending = sending;
    const { signal } = this.#closed;
    setMaxListeners(0, signal);
    this.#countSoon = this.#repeated(() => this.#readCount(), COUNT_MS);
    this.#countNow = this.#repeated(() => this.#readCount(), 0);
    this.#readJobs = this.#repeated(() => this.#updateClients(), 0);
    const beat = setInterval(() => this.#repeatCount(), deps.heartbeatMs / STATUS_PER_HEARTBEAT);
    signal.addEventListener('abort', () => clearInterval(beat), { once: true });
    void this.#untilDone(() => this.#listen());
  }

  get isEmpty(): boolean {
    return this.#clients.size === 0;
  }

  join(clientId: string, outlet: Outlet): void {
    const client = this.#clients.get(clientId) ?? this.#newClient(clientId);
    client.outlets.add(outlet);
    const [oldest] = client.outlets;
    if (client.outlets.size > MAX_SOCKETS && oldest !== undefined) client.outlets.delete(oldest);
    // A client that has just sent a prompt expects the first count to include it.
    this.#countNow();
  }

  leave(clientId: string, outlet: Outlet): void {
    const client = this.#clients.get(clientId);
    if (client === undefined || !client.outlets.delete(outlet) || client.outlets.size > 0) return;
    client.close();
    this.#clients.delete(clientId);
    if (this.isEmpty) this.#closed.abort();
  }

  async endsSent(): Promise<void> {
    // Lets the changes arrive that were published before.
    await yieldToEventLoop();
    const sent = Promise.all([...this.#clients.values()].map((client) => client.endsSent()));
    await orAborted(sent, AbortSignal.timeout(ENDS_MS)).catch(() => undefined);
  }

  #newClient(clientId: string): Client {
    const client: Client = new Client(this.#deps, {
      onEndsSent: () => this.#sendCount(client),
      inTurn: (sendPicture) => this.#sending(this.#key, sendPicture),
    });
    this.#clients.set(clientId, client);
    this.#readJobs();
    return client;
  }

  async #listen(): Promise<void> {
    const { signal } = this.#closed;
    for await (const change of this.#deps.ledger.jobs.changesOf(this.#key, { signal })) {
      this.#countSoon();
      if (change === undefined) this.#readJobs();
      else if (change.client !== null) this.#clients.get(change.client)?.update(change);
    }
  }

  #untilDone(work: () => Promise<void>): Promise<void> {
    return untilDone(work, this.#closed.signal, (error) =>
      this.#deps.log.warn('the jobs of a key could not be read for its sockets', { key: this.#key, error }),
    );
  }

  /** In a turn of the key, reads its open jobs, and jobs that may have ended before their changes were received. */
  #updateClients(): Promise<void> {
    return this.#deps.heavyReads(this.#key, async () => {
      if (!this.isEmpty) await this.#updateClientsNow();
    });
  }

  async #updateClientsNow(): Promise<void> {
    const { jobs } = this.#deps.ledger;
    const clients = [...this.#clients];
    const since = firstIdAt(Math.min(...clients.map(([, { since }]) => since)));
    const open = await jobs.openStates(this.#key);
    const { ids } = await jobs.ended(this.#key, { limit: MAX_ENDED, offset: 0 });
    const read = await Promise.all(ids.filter((id) => id >= since).map((id) => jobs.get(id)));
    // The ledger lists the newest first.
    const ended = read.flatMap((snapshot) => snapshot?.record ?? []).reverse();
    for (const [clientId, client] of clients) {
      const isOwn = (job: KeyChange) => job.client === clientId;
      const sinceThen = ended.filter(({ id }) => id >= firstIdAt(client.since));
      client.updateAll(sinceThen.filter(isOwn), open.filter(isOwn));
    }
  }

  async #readCount(): Promise<void> {
    const joined = [...this.#clients].flatMap(([sid, client]) =>
      [...client.outlets].filter(({ isOpened }) => !isOpened).map((outlet) => ({ sid, client, outlet })),
    );
    const count = await this.#deps.ledger.jobs.openCount(this.#key);
    this.#count = count;
    // Lets the changes that were published before the count arrive first.
    await yieldToEventLoop();
    // The count may be out of date for sockets that joined while it was read.
    for (const { sid, client, outlet } of joined) {
      if (outlet.isOpened) continue;
      client.count ??= count;
      outlet.open([['status', { ...statusOf(count), sid }], ...client.soFar]);
    }
    for (const client of this.#clients.values()) this.#sendCount(client);
  }

  /** Sends a changed count. As in ComfyUI, a client gets the end of a prompt before the lower count. */
  #sendCount(client: Client): void {
    const count = this.#count;
    if (count === undefined || client.count === count || client.isEnding) return;
    client.count = count;
    sendStatus(client, count);
  }

  /** Repeats the count, so that waiting clients do not consider their sockets dead. */
  #repeatCount(): void {
    for (const client of this.#clients.values()) {
      const { count, isWaiting, isEnding } = client;
      if (count !== undefined && isWaiting && !isEnding) sendStatus(client, count);
    }
  }

  /** Returns a function that runs `action`. Calls during a run, or during the pause after it, share the next run. */
  #repeated(action: () => Promise<void>, pauseMs: number): () => void {
    const { signal } = this.#closed;
    let isCalled = false;
    let isRunning = false;
    const run = async () => {
      isRunning = true;
      while (isCalled && !signal.aborted) {
        isCalled = false;
        await this.#untilDone(action);
        await delay(pauseMs, undefined, { signal }).catch(() => undefined);
      }
      isRunning = false;
    };
    return () => {
      isCalled = true;
      if (!isRunning) void run();
    };
  }
}

function statusOf(count: number) {
  return { status: { exec_info: { queue_remaining: count } } };
}

function sendStatus({ outlets }: Client, count: number): void {
  const frame = messageFrame(['status', statusOf(count)]);
  for (const outlet of outlets) if (outlet.isOpened) outlet.send(frame);
}
