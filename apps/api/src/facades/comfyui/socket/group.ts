import type { Preview } from '@comfy-fleet/jobs';
import pLimit from 'p-limit';
import type { Message } from '../present/messages.js';
import { nodeInProgress } from '../present/node-ids.js';
import { describedFrame, messageFrame, pictureFrame } from './frames.js';
import type { Narrator } from './narrator.js';
import type { Outlet } from './outlet.js';

/**
 * The sockets of one client of a key: each gets everything that is told of the client's prompts. A ComfyUI runs one prompt
 * at a time, and clients take what names none for what belongs to it. So here too one at a time is told of while it is
 * under way, the one that began first; of the others only the end, when it comes.
 */
export class Group {
  readonly outlets = new Set<Outlet>();
  /** ms since 1970. */
  readonly since = Date.now();
  /** Under way, in the order of their beginnings: the first is told of. */
  readonly #begun: Narrator[] = [];
  /** It was told that the first has begun. */
  #isTold = false;
  /** It was told that they began, and not how they ended: the first, and those that were lost and will begin again. */
  readonly #open = new Set<Narrator>();
  /** Some clients take any success for that of the prompt that began: those of others come after its end. */
  readonly #lateSuccesses: Message[] = [];
  readonly #inTurn = pLimit(1);
  #isEnding = false;

  /** What a socket is to be told that comes late. */
  get soFar(): Message[] {
    return this.#isTold ? (this.#begun[0]?.soFar ?? []) : [];
  }

  /** The prompt is under way. */
  begun(narrator: Narrator): void {
    if (!this.#begun.includes(narrator)) this.#begun.push(narrator);
    this.#catchUp();
  }

  /** It is no longer, and may begin again. */
  lost(narrator: Narrator): void {
    this.#remove(narrator);
    this.#catchUp();
  }

  /** Its job is no longer there: nothing more is to be told of it. */
  gone(narrator: Narrator): void {
    this.#open.delete(narrator);
    this.#remove(narrator);
    this.#tellLateSuccesses();
    this.#catchUp();
  }

  progressed(narrator: Narrator, messages: readonly Message[]): void {
    if (this.#isShown(narrator)) this.#tell(messages);
  }

  preview(narrator: Narrator, preview: Preview): void {
    if (!this.#isShown(narrator)) return;
    const before = narrator.beforePreview(preview);
    if (before === undefined) return;
    this.#tell(before);
    const frameFor = pictureFrames(Buffer.from(preview.data, 'base64'), preview.contentType, {
      ...nodeInProgress({ nodeId: preview.nodeId ?? '', expandedFrom: preview.expandedFrom }),
      prompt_id: narrator.promptId,
    });
    for (const outlet of this.outlets) outlet.preview(frameFor(outlet));
  }

  /** Tells what `story` tells of the prompt's end, and nothing in between, then how it ended. */
  async ended(narrator: Narrator, story: (scene: Scene) => Promise<void>, how: Message): Promise<void> {
    await this.#inTurn(async () => {
      this.#isEnding = true;
      const isFirst = this.#begun[0] === narrator;
      try {
        await story({
          isBegun: isFirst && this.#isTold,
          tell: (messages) => this.#tell(messages),
          picture: (content, contentType, nodeId) =>
            this.#picture(
              pictureFrames(content, contentType, { ...nodeInProgress({ nodeId }), prompt_id: narrator.promptId }),
            ),
        });
      } finally {
        this.#open.delete(narrator);
        const isLate = how[0] === 'execution_success' && this.#open.size > 0;
        if (isLate) this.#lateSuccesses.push(how);
        this.#tell([...(isLate ? [] : [how]), ['executing', { node: null, prompt_id: narrator.promptId }]]);
        this.#remove(narrator);
        this.#isEnding = false;
        this.#tellLateSuccesses();
        if (this.#isTold) this.#tell(this.#begun[0]?.executing ?? []);
        this.#catchUp();
      }
    });
  }

  #isShown(narrator: Narrator): boolean {
    return this.#begun[0] === narrator && this.#isTold && !this.#isEnding;
  }

  #remove(narrator: Narrator): void {
    const place = this.#begun.indexOf(narrator);
    if (place >= 0) this.#begun.splice(place, 1);
    if (place === 0) this.#isTold = false;
  }

  #tellLateSuccesses(): void {
    // Nor within the end of another one.
    if (this.#open.size === 0 && !this.#isEnding) this.#tell(this.#lateSuccesses.splice(0));
  }

  #catchUp(): void {
    const [first] = this.#begun;
    if (first === undefined || this.#isTold || this.#isEnding) return;
    this.#isTold = true;
    this.#open.add(first);
    this.#tell(first.soFar);
  }

  #tell(messages: readonly Message[]): void {
    for (const message of messages) {
      const frame = messageFrame(message);
      for (const outlet of this.outlets) outlet.send(frame);
    }
  }

  /** Resolves when all sockets have it. */
  async #picture(frameFor: ReturnType<typeof pictureFrames>): Promise<void> {
    await Promise.all([...this.outlets].map((outlet) => outlet.picture(frameFor(outlet))));
  }
}

/** Encodes a picture once with and once without metadata, when a socket first needs it. */
function pictureFrames(
  picture: Buffer,
  contentType: string,
  ids: Readonly<Record<string, unknown>>,
): (outlet: Outlet) => Buffer {
  const frames = new Map<boolean, Buffer>();
  return ({ wantsMetadata }) => {
    const frame =
      frames.get(wantsMetadata) ??
      (wantsMetadata
        ? describedFrame(picture, { ...ids, image_type: contentType })
        : pictureFrame(picture, contentType));
    frames.set(wantsMetadata, frame);
    return frame;
  };
}

/** While an end is told. */
export interface Scene {
  /** The sockets heard the beginning already. */
  readonly isBegun: boolean;
  tell(messages: readonly Message[]): void;
  /** Sends a picture of that node; resolves when all sockets have it. */
  picture(content: Buffer, contentType: string, nodeId: string): Promise<void>;
}
