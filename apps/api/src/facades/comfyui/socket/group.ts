import type { Preview } from '@comfy-fleet/jobs';
import pLimit from 'p-limit';
import { type Message, nodeInProgress } from '../present.js';
import type { Narrator } from './narrator.js';
import { messageFrame, type Outlet, pictureFrame } from './outlet.js';

/**
 * The sockets of one client of a key. Each gets all messages about the client's prompts. A ComfyUI runs one prompt at a
 * time, and clients attribute messages that name no prompt to that one. So the sockets follow one running prompt, the one
 * that began first; of the others they get only the end.
 */
export class Group {
  readonly outlets = new Set<Outlet>();
  /** When the client came, in ms since 1970. */
  readonly since = Date.now();
  /** The running prompts in the order in which they began; the sockets follow the first. */
  readonly #running: Narrator[] = [];
  /** The sockets got the beginning of the first. */
  #isShown = false;
  /** The sockets got their beginning and not yet their end: the first, and prompts that were lost and will begin again. */
  readonly #open = new Set<Narrator>();
  /** Some clients take any success for that of the prompt that began, so successes of others wait for its end. */
  readonly #lateSuccesses: Message[] = [];
  readonly #oneEnd = pLimit(1);
  #isEnding = false;

  /** What a socket that comes late has missed. */
  get soFar(): Message[] {
    return this.#isShown ? (this.#running[0]?.soFar ?? []) : [];
  }

  begun(narrator: Narrator): void {
    if (!this.#running.includes(narrator)) this.#running.push(narrator);
    this.#showFirst();
  }

  /** The prompt no longer runs, and may begin again. */
  lost(narrator: Narrator): void {
    this.#remove(narrator);
    this.#showFirst();
  }

  /** The job of the prompt no longer exists. */
  gone(narrator: Narrator): void {
    this.#open.delete(narrator);
    this.#remove(narrator);
    this.#sendLateSuccesses();
    this.#showFirst();
  }

  progressed(narrator: Narrator, messages: readonly Message[]): void {
    if (this.#isFollowed(narrator)) this.#send(messages);
  }

  preview(narrator: Narrator, preview: Preview): void {
    if (!this.#isFollowed(narrator)) return;
    const before = narrator.beforePreview(preview);
    if (before === undefined) return;
    this.#send(before);
    const { data, contentType, nodeId = '', expandedFrom } = preview;
    const ids = { ...nodeInProgress({ nodeId, expandedFrom }), prompt_id: narrator.promptId };
    const frameFor = pictureFrames(Buffer.from(data, 'base64'), contentType, ids);
    for (const outlet of this.outlets) outlet.preview(frameFor(outlet));
  }

  /** Sends what `story` sends of the prompt's end without anything in between, then how it ended. */
  async ended(narrator: Narrator, story: (scene: Scene) => Promise<void>, how: Message): Promise<void> {
    await this.#oneEnd(async () => {
      this.#isEnding = true;
      try {
        await story({
          isBegun: this.#running[0] === narrator && this.#isShown,
          send: (messages) => this.#send(messages),
          picture: async (content, contentType, nodeId) => {
            const ids = { ...nodeInProgress({ nodeId }), prompt_id: narrator.promptId };
            const frameFor = pictureFrames(content, contentType, ids);
            await Promise.all([...this.outlets].map((outlet) => outlet.picture(frameFor(outlet))));
          },
        });
      } finally {
        this.#open.delete(narrator);
        const isLate = how[0] === 'execution_success' && this.#open.size > 0;
        if (isLate) this.#lateSuccesses.push(how);
        this.#send([...(isLate ? [] : [how]), ['executing', { node: null, prompt_id: narrator.promptId }]]);
        this.#remove(narrator);
        this.#isEnding = false;
        this.#sendLateSuccesses();
        if (this.#isShown) this.#send(this.#running[0]?.executing ?? []);
        this.#showFirst();
      }
    });
  }

  #isFollowed(narrator: Narrator): boolean {
    return this.#running[0] === narrator && this.#isShown && !this.#isEnding;
  }

  #remove(narrator: Narrator): void {
    const place = this.#running.indexOf(narrator);
    if (place >= 0) this.#running.splice(place, 1);
    if (place === 0) this.#isShown = false;
  }

  #sendLateSuccesses(): void {
    if (this.#open.size === 0 && !this.#isEnding) this.#send(this.#lateSuccesses.splice(0));
  }

  #showFirst(): void {
    const [first] = this.#running;
    if (first === undefined || this.#isShown || this.#isEnding) return;
    this.#isShown = true;
    this.#open.add(first);
    this.#send(first.soFar);
  }

  #send(messages: readonly Message[]): void {
    for (const message of messages) {
      const frame = messageFrame(message);
      for (const outlet of this.outlets) outlet.send(frame);
    }
  }
}

/** What the end of a prompt is sent by. */
export interface Scene {
  /** The sockets got the beginning before. */
  readonly isBegun: boolean;
  send(messages: readonly Message[]): void;
  /** Sends a picture of that node; resolves when all sockets have it. */
  picture(content: Buffer, contentType: string, nodeId: string): Promise<void>;
}

/** Encodes a picture once with and once without metadata, when the first socket needs it. */
function pictureFrames(picture: Buffer, contentType: string, ids: object): (outlet: Outlet) => Buffer {
  const frames = new Map<boolean, Buffer>();
  return ({ wantsMetadata }) => {
    const frame = frames.get(wantsMetadata) ?? pictureFrame(picture, contentType, wantsMetadata ? ids : undefined);
    frames.set(wantsMetadata, frame);
    return frame;
  };
}
