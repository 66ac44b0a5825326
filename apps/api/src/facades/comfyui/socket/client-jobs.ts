import { buffer } from 'node:stream/consumers';
import { setTimeout as delay } from 'node:timers/promises';
import { isTerminal, type JobStatus } from '@comfy-fleet/contracts';
import { type JobRecord, type KeyChange, listedOf } from '@comfy-fleet/jobs';
import type { Deps } from '../../../deps.js';
import { ending, nodeUnderWay, presentOutputs } from '../present.js';
import type { Group, Scene } from './group.js';
import { Narrator } from './narrator.js';

/** Ended jobs that are remembered, so that none ends twice. */
const MAX_ENDED = 500;
/** The pause after the ledger did not answer. */
const RETRY_MS = 1000;

interface Options {
  /** Ends are sent in the order of the jobs. */
  readonly inOrder: boolean;
  /** Called when all known ends were sent. */
  readonly onSent: () => void;
}

/**
 * The jobs of one client of a key while it has sockets. A waiting job costs an id; every other job is followed until its end
 * was sent. If the client gets its jobs in order, only the first one is followed, and the others count as waiting even if
 * they have begun or ended.
 */
export class ClientJobs {
  readonly #deps: Deps;
  readonly #group: Group;
  readonly #options: Options;
  /** In the order in which they were sent, with the last known status of each. */
  #waiting = new Map<string, JobStatus>();
  /** The open jobs were read: before that, the first one is unknown. */
  #knowsAll = false;
  readonly #followed = new Set<string>();
  readonly #ended = new Set<string>();
  /** Followed jobs that have ended, and whose end was not sent yet. */
  readonly #ending = new Set<string>();
  readonly #closed = new AbortController();

  constructor(deps: Deps, group: Group, options: Options) {
    this.#deps = deps;
    this.#group = group;
    this.#options = options;
  }

  /** An end is known that was not sent yet. */
  get isEnding(): boolean {
    return this.#ending.size > 0;
  }

  get isWaiting(): boolean {
    return this.#waiting.size + this.#followed.size > 0;
  }

  /** The job has this status, or a later one. */
  note({ id, status }: Pick<KeyChange, 'id' | 'status'>): void {
    if (this.#ended.has(id)) return;
    if (!this.#followed.has(id)) this.#waiting.set(id, status);
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

  close(): void {
    this.#closed.abort();
  }

  #followNext(): void {
    for (const [id, status] of this.#waiting) {
      if (this.#options.inOrder && (!this.#knowsAll || this.#followed.size > 0 || status === 'queued')) return;
      if (status !== 'queued') void this.#follow(id, status);
    }
  }

  async #follow(id: string, status: JobStatus): Promise<void> {
    this.#waiting.delete(id);
    this.#followed.add(id);
    if (isTerminal(status)) this.#ending.add(id);
    const { signal } = this.#closed;
    const run = new Run(this.#deps, this.#group, id);
    for (let isSent = false; !isSent && !signal.aborted; ) {
      try {
        await run.follow(signal);
        isSent = true;
      } catch (error) {
        if (signal.aborted) break;
        this.#deps.log.warn('a job could not be followed for a socket', { job: id, error });
        await delay(RETRY_MS, undefined, { signal }).catch(() => undefined);
      }
    }
    this.#followed.delete(id);
    this.#ended.add(id);
    const wasEnding = this.#ending.delete(id);
    this.#followNext();
    if (wasEnding && !this.isEnding) this.#options.onSent();
    const [oldest] = this.#ended;
    if (this.#ended.size > MAX_ENDED && oldest !== undefined) this.#ended.delete(oldest);
  }
}

/** One job as it is sent to the sockets of its client. */
class Run {
  readonly #deps: Deps;
  readonly #group: Group;
  readonly #id: string;
  #narrator: Narrator | undefined;

  constructor(deps: Deps, group: Group, id: string) {
    this.#deps = deps;
    this.#group = group;
    this.#id = id;
  }

  /**
   * Follows the job until it has ended or no longer exists. Throws what the ledger throws; it may then be called again, and
   * sends nothing twice.
   */
  async follow(signal: AbortSignal): Promise<void> {
    const { jobs } = this.#deps.ledger;
    for await (const item of jobs.events(this.#id, { signal })) {
      const narrator = this.#narrator;
      if (item.kind === 'snapshot') {
        if (await this.#isOver(item.snapshot.record)) return;
      } else if (item.kind === 'preview') {
        if (narrator !== undefined) this.#group.preview(narrator, item.preview);
      } else if (item.event.type === 'progress') {
        if (narrator !== undefined) this.#group.progressed(narrator, narrator.progressed(item.event.progress));
      } else {
        const now = await jobs.get(this.#id);
        if (now === undefined) break;
        if (await this.#isOver(now.record)) return;
      }
    }
    if (this.#narrator !== undefined) this.#group.gone(this.#narrator);
  }

  async #isOver(record: JobRecord): Promise<boolean> {
    this.#narrator ??= new Narrator(record);
    const narrator = this.#narrator;
    if (isTerminal(record.status)) {
      await this.#group.ended(narrator, (scene) => this.#sendEnd(record, narrator, scene), ending(record));
      return true;
    }
    if (record.status === 'queued') {
      narrator.lost();
      this.#group.lost(narrator);
    } else if (record.startedAt !== null) {
      this.#group.progressed(narrator, narrator.begun(record));
      this.#group.begun(narrator);
    }
    return false;
  }

  /** Sends everything that was not sent yet. */
  async #sendEnd(record: JobRecord, narrator: Narrator, scene: Scene): Promise<void> {
    const missed = record.startedAt === null ? [] : narrator.started(record);
    scene.send(scene.isBegun ? missed : narrator.soFar);
    const outputs = presentOutputs(record.outputs);
    const timed = new Map((record.timings?.nodes ?? []).map((node) => [node.nodeId, node]));
    // The node at which a prompt failed or was stopped did not finish.
    const stoppedAt = record.status === 'succeeded' ? undefined : (record.error?.nodeId ?? [...timed.keys()].at(-1));
    for (const node of new Set([...timed.keys(), ...Object.keys(outputs)])) {
      const made = record.outputs.filter(({ nodeId }) => nodeId === node);
      const { cached = false, steps = null, expandedFrom = made[0]?.expandedFrom } = timed.get(node) ?? {};
      if (made.some((one) => listedOf(one).isSent)) {
        await this.#sendPictures(record, node, narrator, scene);
        continue;
      }
      const hasRun = timed.has(node) && node !== stoppedAt;
      if (!cached) scene.send(hasRun ? narrator.ran(node, steps, expandedFrom) : narrator.entered(node, expandedFrom));
      const output = outputs[node];
      if (output === undefined) continue;
      const ids = nodeUnderWay({ nodeId: node, expandedFrom });
      scene.send([['executed', { ...ids, output, prompt_id: narrator.promptId }]]);
    }
    if (record.status === 'succeeded') scene.send(narrator.done());
  }

  /** Sends the pictures of a node that sends them over the socket alone. */
  async #sendPictures(record: JobRecord, node: string, narrator: Narrator, scene: Scene): Promise<void> {
    const { config, frames, log } = this.#deps;
    const pictures = record.outputs.filter(({ nodeId }) => nodeId === node);
    const entered = narrator.entered(node);
    scene.send(entered.length > 0 ? entered : narrator.executing);
    for (const [sent, { file, bytes, contentType }] of pictures.entries()) {
      // A message is in memory as a whole. GET /view streams the file.
      if (bytes > config.images.maxBytes) {
        log.warn('a picture is too large to be sent over a socket', { job: record.id, file, bytes });
        continue;
      }
      try {
        const stream = await frames.open(file);
        const content = stream && (await buffer(stream));
        if (content === undefined) continue;
        scene.send(narrator.reached(sent, pictures.length));
        await scene.picture(content, contentType, node);
      } catch (error) {
        log.warn('a picture could not be read for a socket', { job: record.id, file, error });
      }
    }
  }
}
