import type { WebSocket } from 'ws';
import type { Message } from '../prompts.js';

/** Previews are dropped while more bytes than this wait to be sent, because the next preview comes soon. */
const MAX_BYTES_BEFORE_PREVIEW = 64 * 1024;
/** How many ms a client may take to receive one picture. */
const PICTURE_MS = 60_000;
/** The close code for clients that read too slowly ("try again later"). */
const TOO_SLOW = 1013;

type Frame = string | Buffer;

/** One socket of a client. If the client reads too slowly, it gets no previews, and then the socket is closed. */
export class Outlet {
  readonly #socket: WebSocket;
  readonly #maxBytes: number;
  #waiting: Frame[] | undefined = [];
  #pictureBytes = 0;

  constructor(socket: WebSocket, maxBytes: number) {
    this.#socket = socket;
    this.#maxBytes = maxBytes;
  }

  get isOpened(): boolean {
    return this.#waiting === undefined;
  }

  /** Sends the first messages, and then those that were sent before the outlet was opened. */
  open(first: readonly Message[]): void {
    const waiting = this.#waiting ?? [];
    this.#waiting = undefined;
    for (const frame of [...first.map(messageFrame), ...waiting]) this.send(frame);
  }

  send(frame: Frame): void {
    if (this.#waiting !== undefined) {
      this.#waiting.push(frame);
    } else if (this.#isWritable) {
      this.#socket.send(frame);
      if (this.#backlog > this.#maxBytes) this.#socket.close(TOO_SLOW, 'messages are read too slowly');
    }
  }

  /** Sends a preview if the client keeps up. */
  preview(frame: Buffer): void {
    if (this.isOpened && this.#isWritable && this.#backlog <= MAX_BYTES_BEFORE_PREVIEW) this.#socket.send(frame);
  }

  /**
   * Sends a picture of any size as one message, without copying its content. Resolves when the client has received it, or
   * when the socket was terminated because the client took too long.
   */
  async picture(head: Buffer, content: Buffer): Promise<void> {
    if (!this.#isWritable) return;
    const bytes = head.length + content.length;
    this.#pictureBytes += bytes;
    const late = setTimeout(() => this.#socket.terminate(), PICTURE_MS);
    this.#socket.send(head, { fin: false });
    await new Promise<void>((resolve) => this.#socket.send(content, () => resolve()));
    clearTimeout(late);
    this.#pictureBytes -= bytes;
  }

  get #isWritable(): boolean {
    return this.#socket.readyState === this.#socket.OPEN;
  }

  get #backlog(): number {
    return this.#socket.bufferedAmount - this.#pictureBytes;
  }
}

/** ComfyUI's numbers for the type of a frame with a picture and for types of pictures: 32 bits, big-endian. */
const PREVIEW = 1;
const JPEG = 1;
const PNG = 2;

export function messageFrame([type, data]: Message): string {
  return JSON.stringify({ type, data });
}

/** The bytes before a picture in its frame. */
export function pictureHead(contentType: string): Buffer {
  const head = Buffer.alloc(8);
  head.writeUInt32BE(PREVIEW);
  head.writeUInt32BE(contentType === 'image/jpeg' ? JPEG : PNG, 4);
  return head;
}
