import { buffer } from 'node:stream/consumers';
import { setTimeout as delay, setImmediate as yieldToEventLoop } from 'node:timers/promises';
import { isTerminal, type JobStatus } from '@comfy-fleet/contracts';
import { type JobRecord, type KeyChange, listedOf, type Preview } from '@comfy-fleet/jobs';
import pLimit from 'p-limit';
import type { Deps } from '../../../deps.js';
import { ending, type Message, nodeUnderWay, presentOutputs } from '../prompts.js';
import { Narrator } from './narrator.js';
import { messageFrame, type Outlet, pictureHead } from './outlet.js';

/** How many ended jobs are remembered, so that no end is sent twice. */
const MAX_ENDED = 500;
/** The pause before work is repeated after a failure. */
const RETRY_MS = 1000;

interface Options {
  /** Called when the ends of all jobs known to have ended were sent. */
  readonly onEndsSent: () => void;
  /** Runs `sendPicture` when it is the key's turn. */
  readonly inTurn: (sendPicture: () => Promise<void>) => Promise<void>;
}

/**
 * A client of a key with at least one socket. Its sockets get the same messages about its jobs. For a waiting job only
 * the id is stored; every other job is followed until its end was sent.
 *
 * A ComfyUI runs one prompt at a time, and clients attribute messages without a prompt id to the running prompt. So the
 * sockets get live messages only about the running prompt that began first, and everything about the others at their end.
 */
export class Client {
  readonly outlets = new Set<Outlet>();
  /** When the client connected, in ms since 1970. */
  readonly since = Date.now();
  /** The queue length last sent to its sockets. */
  count: number | undefined;
  readonly #deps: Deps;
  readonly #options: Options;
  readonly #closed = new AbortController();
  /** Ids of jobs that have not begun. */
  readonly #waiting = new Set<string>();
  readonly #followed = new Map<string, Promise<void>>();
  /** Followed jobs that have ended, but whose end was not sent yet. */
  readonly #ending = new Set<string>();
  readonly #ended = new Set<string>();
  /** The running prompts in the order in which they began. Only the first one is live. */
  readonly #running: Narrator[] = [];
  /** The sockets got the beginning of the first running prompt. */
  #isShown = false;
  /** Prompts whose beginning was sent, but not their end: the first one, and lost prompts that will begin again. */
  readonly #open = new Set<Narrator>();
  /** Successes held back until no prompt is open: some clients attribute any success to the prompt that began. */
  readonly #lateSuccesses: Message[] = [];
  readonly #oneEnd = pLimit(1);
  /** An end is being sent, and no other messages may interrupt it. */
  #isPaused = false;

  constructor(deps: Deps, options: Options) {
    this.#deps = deps;
    this.#options = options;
  }

  /** A job has ended, but its end was not sent yet. */
  get isEnding(): boolean {
    return this.#ending.size > 0;
  }

  /** Resolves when the ends of all jobs known to have ended by now were sent. */
  async endsSent(): Promise<void> {
    await Promise.all([...this.#ending].map((id) => this.#followed.get(id)));
  }

  get isWaiting(): boolean {
    return this.#waiting.size + this.#followed.size > 0;
  }

  /** The messages that a new socket has missed. */
  get soFar(): Message[] {
    return this.#isShown ? (this.#running[0]?.soFar ?? []) : [];
  }

  close(): void {
    this.#closed.abort();
  }

  /** Updates the status of a job, which may have a later status by now. */
  update({ id, status }: Pick<KeyChange, 'id' | 'status'>): void {
    if (this.#ended.has(id)) return;
    if (this.#followed.has(id)) {
      if (isTerminal(status)) this.#ending.add(id);
    } else if (status === 'queued') this.#waiting.add(id);
    else this.#follow(id, status);
  }

  /** Takes all jobs that ended since the client connected, and all open ones, in order. Other waiting jobs have ended. */
  updateAll(ended: readonly KeyChange[], open: readonly KeyChange[]): void {
    const known = new Set([...ended, ...open].map(({ id }) => id));
    for (const id of this.#waiting) if (!known.has(id)) this.#follow(id, 'running');
    for (const change of [...ended, ...open]) this.update(change);
  }

  #follow(id: string, status: JobStatus): void {
    this.#waiting.delete(id);
    if (isTerminal(status)) this.#ending.add(id);
    this.#followed.set(id, this.#untilEnd(id));
  }

  async #untilEnd(id: string): Promise<void> {
    const job = { id };
    await untilDone(
      () => this.#sendJob(job),
      this.#closed.signal,
      (error) => this.#deps.log.warn('a job could not be followed for a socket', { job: id, error }),
    );
    this.#followed.delete(id);
    this.#ended.add(id);
    const [oldest] = this.#ended;
    if (this.#ended.size > MAX_ENDED && oldest !== undefined) this.#ended.delete(oldest);
    const wasEnding = this.#ending.delete(id);
    if (wasEnding && !this.isEnding) this.#options.onEndsSent();
  }

  /** Follows the job until it has ended or is deleted. Can be called again after a failure; sends no message twice. */
  async #sendJob(job: { readonly id: string; narrator?: Narrator }): Promise<void> {
    const { jobs } = this.#deps.ledger;
    for await (const item of jobs.events(job.id, { signal: this.#closed.signal })) {
      const { narrator } = job;
      if (item.kind === 'preview') this.#sendPreview(narrator, item.preview);
      else if (item.kind === 'event' && item.event.type === 'progress') {
        if (narrator !== undefined) this.#sendLive(narrator, narrator.progressed(item.event.progress));
      } else {
        const record = item.kind === 'snapshot' ? item.snapshot.record : (await jobs.get(job.id))?.record;
        if (record === undefined) break;
        job.narrator ??= new Narrator(record);
        if (isTerminal(record.status)) return this.#sendEnd(record, job.narrator);
        if (record.status === 'queued') {
          job.narrator.lost();
          this.#stopped(job.narrator);
        } else if (record.startedAt !== null) {
          this.#sendLive(job.narrator, job.narrator.begun(record));
          if (!this.#running.includes(job.narrator)) this.#running.push(job.narrator);
          this.#showFirst();
        }
      }
    }
    if (job.narrator === undefined) return;
    this.#open.delete(job.narrator);
    this.#stopped(job.narrator);
  }

  /** Removes a prompt that ended or was lost; a lost prompt may begin again. */
  #stopped(narrator: Narrator): void {
    const place = this.#running.indexOf(narrator);
    if (place >= 0) this.#running.splice(place, 1);
    if (place === 0) this.#isShown = false;
    if (this.#isPaused) return;
    if (this.#open.size === 0) this.#send(this.#lateSuccesses.splice(0));
    this.#showFirst();
  }

  #showFirst(): void {
    const [first] = this.#running;
    if (first === undefined || this.#isShown || this.#isPaused) return;
    this.#isShown = true;
    this.#open.add(first);
    this.#send(first.soFar);
  }

  /** Sends all remaining messages about a prompt, uninterrupted by other messages. */
  async #sendEnd(record: JobRecord, narrator: Narrator): Promise<void> {
    await this.#oneEnd(async () => {
      this.#isPaused = true;
      try {
        const missed = record.startedAt === null ? [] : narrator.started(record);
        this.#send(this.#running[0] === narrator && this.#isShown ? missed : narrator.soFar);
        await this.#sendNodes(record, narrator);
      } finally {
        this.#open.delete(narrator);
        const end = ending(record);
        const isLate = end[0] === 'execution_success' && this.#open.size > 0;
        if (isLate) this.#lateSuccesses.push(end);
        this.#send([...(isLate ? [] : [end]), ['executing', { node: null, prompt_id: narrator.promptId }]]);
        this.#isPaused = false;
        const others = this.#running[0] === narrator || !this.#isShown ? [] : (this.#running[0]?.executing ?? []);
        this.#stopped(narrator);
        this.#send(others);
      }
    });
  }

  async #sendNodes(record: JobRecord, narrator: Narrator): Promise<void> {
    const outputs = presentOutputs(record.outputs);
    const timed = new Map((record.timings?.nodes ?? []).map((node) => [node.nodeId, node]));
    // The node at which a prompt failed or was stopped did not finish.
    const stoppedAt = record.status === 'succeeded' ? undefined : (record.error?.nodeId ?? [...timed.keys()].at(-1));
    for (const node of new Set([...timed.keys(), ...Object.keys(outputs)])) {
      await yieldToEventLoop();
      const made = record.outputs.filter(({ nodeId }) => nodeId === node);
      const { cached = false, steps = null, expandedFrom = made[0]?.expandedFrom } = timed.get(node) ?? {};
      if (made.some((one) => listedOf(one).isSent)) {
        await this.#sendPictures(record, node, narrator);
        continue;
      }
      const hasRun = timed.has(node) && node !== stoppedAt;
      if (!cached) this.#send(hasRun ? narrator.ran(node, steps, expandedFrom) : narrator.entered(node, expandedFrom));
      const output = outputs[node];
      if (output === undefined) continue;
      const ids = nodeUnderWay(node, expandedFrom);
      this.#send([['executed', { ...ids, output, prompt_id: narrator.promptId }]]);
    }
    if (record.status === 'succeeded') this.#send(narrator.done());
  }

  /** Sends the pictures of a node whose outputs clients get only over the socket. */
  async #sendPictures(record: JobRecord, nodeId: string, narrator: Narrator): Promise<void> {
    const { config, frames, log } = this.#deps;
    const pictures = record.outputs.filter((output) => output.nodeId === nodeId);
    const entered = narrator.entered(nodeId);
    this.#send(entered.length > 0 ? entered : narrator.executing);
    for (const [sent, { file, bytes, contentType }] of pictures.entries()) {
      // Messages are held in memory; GET /view streams the file.
      if (bytes > config.images.maxBytes) {
        log.warn('a picture is too large to be sent over a socket', { job: record.id, file, bytes });
        continue;
      }
      try {
        await this.#options.inTurn(async () => {
          const stream = this.#closed.signal.aborted ? undefined : await frames.open(file);
          const content = stream && (await buffer(stream));
          if (content === undefined) return;
          this.#send(narrator.reached(sent, pictures.length));
          await Promise.all([...this.outlets].map((outlet) => outlet.picture(pictureHead(contentType), content)));
        });
      } catch (error) {
        log.warn('a picture could not be read for a socket', { job: record.id, file, error });
      }
    }
  }

  #isLive(narrator: Narrator | undefined): narrator is Narrator {
    return this.#running[0] === narrator && this.#isShown && !this.#isPaused;
  }

  #sendLive(narrator: Narrator, messages: readonly Message[]): void {
    if (this.#isLive(narrator)) this.#send(messages);
  }

  #sendPreview(narrator: Narrator | undefined, preview: Preview): void {
    const before = this.#isLive(narrator) ? narrator.beforePreview(preview) : undefined;
    if (narrator === undefined || before === undefined) return;
    this.#send(before);
    const frame = Buffer.concat([pictureHead(preview.contentType), Buffer.from(preview.data, 'base64')]);
    for (const outlet of this.outlets) outlet.preview(frame);
  }

  #send(messages: readonly Message[]): void {
    for (const message of messages) {
      const frame = messageFrame(message);
      for (const outlet of this.outlets) outlet.send(frame);
    }
  }
}

/** Repeats work that fails until it is done or the signal aborts. */
export async function untilDone(work: () => Promise<void>, signal: AbortSignal, warn: (error: unknown) => void) {
  while (!signal.aborted) {
    try {
      return await work();
    } catch (error) {
      if (signal.aborted) return;
      warn(error);
      await delay(RETRY_MS, undefined, { signal }).catch(() => undefined);
    }
  }
}
