import { setTimeout as delay } from 'node:timers/promises';
import type { WebSocket } from 'ws';

/** What waits for a socket may be so much when it gets a preview: the next one comes soon. */
const MOST_BEFORE_PREVIEW = 64 * 1024;
/** For one picture to be taken by the other end. */
const PICTURE_MS = 60_000;
/** Of a socket that does not keep up ("try again later"). */
const TOO_SLOW = 1013;

/**
 * One socket of a caller. Until it is opened, messages wait. What waits for the other end is bounded: then previews are
 * dropped, then the socket is closed.
 */
export class Outlet {
  /** Its previews are to say whose they are. */
  wantsMetadata = false;
  readonly #socket: WebSocket;
  readonly #maxBytes: number;
  #waiting: (string | Buffer)[] | undefined = [];
  #pictureBytes = 0;

  constructor(socket: WebSocket, maxBytes: number) {
    this.#socket = socket;
    this.#maxBytes = maxBytes;
  }

  get isOpened(): boolean {
    return this.#waiting === undefined;
  }

  /** Sends its first message, what was told to others before it came, and what has waited for this. */
  open(first: string | Buffer, before: readonly (string | Buffer)[]): void {
    const waiting = this.#waiting ?? [];
    this.#waiting = undefined;
    for (const frame of [first, ...before, ...waiting]) this.send(frame);
  }

  send(frame: string | Buffer): void {
    if (this.#waiting !== undefined) {
      this.#waiting.push(frame);
    } else if (this.#isWritable) {
      this.#socket.send(frame);
      if (this.#backlog > this.#maxBytes) this.#socket.close(TOO_SLOW, 'messages are read too slowly');
    }
  }

  /** Sends it if the other end keeps up. */
  preview(frame: Buffer): void {
    if (this.isOpened && this.#isWritable && this.#backlog <= MOST_BEFORE_PREVIEW) this.#socket.send(frame);
  }

  /** Sends it, however large; resolves when the other end has taken it, or is given up. */
  async picture(frame: Buffer): Promise<void> {
    if (!this.#isWritable) return;
    this.#pictureBytes += frame.length;
    const late = new AbortController();
    const taken = new Promise<void>((resolve) => this.#socket.send(frame, () => resolve()));
    const giveUp = delay(PICTURE_MS, undefined, { signal: late.signal }).then(
      () => this.#socket.terminate(),
      () => undefined,
    );
    await Promise.race([taken, giveUp]);
    late.abort();
    this.#pictureBytes -= frame.length;
  }

  get #isWritable(): boolean {
    return this.#socket.readyState === this.#socket.OPEN;
  }

  get #backlog(): number {
    return this.#socket.bufferedAmount - this.#pictureBytes;
  }
}
