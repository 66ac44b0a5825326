import { randomUUID } from 'node:crypto';
import { setMaxListeners } from 'node:events';
import { setTimeout as delay, setImmediate as yieldToEventLoop } from 'node:timers/promises';
import type { Config } from '@comfy-fleet/config';
import { firstIdAt, type KeyChange } from '@comfy-fleet/jobs';
import type { RawData } from 'ws';
import type { Deps } from '../../../deps.js';
import { isRecord } from '../../../server/json-body.js';
import type { SocketRoute } from '../../../server/sockets.js';
import { createTurns, type Turns } from '../../../server/turns.js';
import { parsedJson } from '../prompts.js';
import { Client, untilDone } from './client.js';
import { messageFrame, Outlet } from './outlet.js';

/** The part of a client id that is kept with a job. */
const MAX_CLIENT_CHARS = 128;
/** The lengths that a queue has within this time are sent as one. */
const COUNT_MS = 250;
/** Ended jobs that are searched for those that were ordered and ended before the changes of the key were received. */
const MAX_ENDED = 100;
/** Some clients give up a socket that is silent for 10 s, and ignore pings, so they get a message so often a heartbeat. */
const STATUS_PER_HEARTBEAT = 3;

/** Pictures of a SaveImageWebsocket that a process holds at a time, until their clients have read them. */
const MAX_PICTURES = 16;
const MAX_PICTURES_OF_KEY = 2;

/** Sent to clients by GET /features and on the socket. */
export function features({ assets }: Pick<Config, 'assets'>): Readonly<Record<string, unknown>> {
  return { supports_preview_metadata: true, max_upload_size: assets.maxBytes };
}

/**
 * The sockets of this process at which callers follow their jobs as prompts of a ComfyUI. A client id is no identity: it
 * belongs to its key, and all sockets with it get the same messages. A client without an id is given one.
 */
export function socketHub(deps: Deps): SocketRoute['connect'] {
  const keys = new Map<string, KeyHub>();
  const sending = createTurns(MAX_PICTURES, { ofKey: MAX_PICTURES_OF_KEY });
  const flags = messageFrame(['feature_flags', features(deps.config)]);
  return (socket, { caller: { id: key, inOrder }, query }) => {
    const client = (query.get('clientId') || randomUUID().replaceAll('-', '')).slice(0, MAX_CLIENT_CHARS);
    const hub = keys.get(key) ?? new KeyHub(key, deps, sending);
    keys.set(key, hub);
    const outlet = new Outlet(socket, deps.config.http.maxSocketBufferBytes);
    // As in ComfyUI, only the first message counts.
    socket.once('message', (data) => {
      const wanted = flagsIn(data);
      if (wanted === undefined) return;
      outlet.wantsMetadata = wanted.supports_preview_metadata === true;
      outlet.send(flags);
    });
    socket.once('close', () => {
      hub.leave(client, outlet);
      if (hub.isEmpty && keys.get(key) === hub) keys.delete(key);
    });
    hub.join(client, outlet, inOrder);
  };
}

/** Undefined for a message of any other kind. */
function flagsIn(data: RawData): Readonly<Record<string, unknown>> | undefined {
  const message = parsedJson(String(data));
  return isRecord(message) && message.type === 'feature_flags' ? Object(message.data) : undefined;
}

/** The sockets of one key, and one subscription to the changes of its jobs while there are any. */
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
    this.#readJobs = this.#repeated(() => this.#noteJobs(), 0);
    const beat = setInterval(() => this.#repeatCount(), deps.heartbeatMs / STATUS_PER_HEARTBEAT);
    signal.addEventListener('abort', () => clearInterval(beat), { once: true });
    void this.#untilDone(() => this.#listen());
  }

  get isEmpty(): boolean {
    return this.#clients.size === 0;
  }

  /** `inOrder`: the client gets its prompts in the order in which it sent them. */
  join(clientId: string, outlet: Outlet, inOrder: boolean): void {
    const client = this.#clients.get(clientId) ?? this.#newClient(clientId, inOrder);
    client.outlets.add(outlet);
    // A client that has just sent a prompt expects it in the first count.
    this.#countNow();
  }

  leave(clientId: string, outlet: Outlet): void {
    const client = this.#clients.get(clientId);
    if (client === undefined || !client.outlets.delete(outlet) || client.outlets.size > 0) return;
    client.close();
    this.#clients.delete(clientId);
    if (this.isEmpty) this.#closed.abort();
  }

  #newClient(clientId: string, inOrder: boolean): Client {
    const client: Client = new Client(this.#deps, {
      inOrder,
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
      else if (change.client !== null) this.#clients.get(change.client)?.note(change);
    }
  }

  #untilDone(work: () => Promise<void>): Promise<void> {
    return untilDone(work, this.#closed.signal, (error) =>
      this.#deps.log.warn('the jobs of a key could not be read for its sockets', { key: this.#key, error }),
    );
  }

  /** Reads the open jobs, and those that ended before their change was received, in a turn of the key. */
  #noteJobs(): Promise<void> {
    return this.#deps.heavyReads(this.#key, async () => {
      if (!this.isEmpty) await this.#noteJobsNow();
    });
  }

  async #noteJobsNow(): Promise<void> {
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
      client.noteAll(sinceThen.filter(isOwn), open.filter(isOwn));
    }
  }

  async #readCount(): Promise<void> {
    const joined = [...this.#clients].flatMap(([sid, client]) =>
      [...client.outlets].filter(({ isOpened }) => !isOpened).map((outlet) => ({ sid, client, outlet })),
    );
    const count = await this.#deps.ledger.jobs.openCount(this.#key);
    this.#count = count;
    // Changes that were published before the count arrive first.
    await yieldToEventLoop();
    // The count may be out of date for sockets that joined while it was read.
    for (const { sid, client, outlet } of joined) {
      if (outlet.isOpened) continue;
      client.count ??= count;
      outlet.open([['status', { ...statusOf(count), sid }], ...client.soFar]);
    }
    for (const client of this.#clients.values()) this.#sendCount(client);
  }

  /** Sends a changed count. As in ComfyUI, a client gets the end of a prompt before the count without it. */
  #sendCount(client: Client): void {
    const count = this.#count;
    if (count === undefined || client.count === count || client.isEnding) return;
    client.count = count;
    sendStatus(client, count);
  }

  /** Keeps the sockets of clients that wait for something from being taken for dead. */
  #repeatCount(): void {
    for (const client of this.#clients.values()) {
      const { count, isWaiting, isEnding } = client;
      if (count !== undefined && isWaiting && !isEnding) sendStatus(client, count);
    }
  }

  /** Runs `action` after each call. Calls during a run, or during the pause after it, share the next run. */
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
