import type { Preview } from '@comfy-fleet/jobs';
import pLimit from 'p-limit';
import type { Message } from '../present/messages.js';
import { nodeInProgress } from '../present/node-ids.js';
import { describedFrame, pictureFrame, textFrame } from './frames.js';
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

  preview(narrator: Narrator, { contentType, data, nodeId, expandedFrom }: Preview): void {
    if (!this.#isShown(narrator)) return;
    const before = narrator.beforePreview(nodeId, expandedFrom);
    if (before === undefined) return;
    this.#tell(before);
    const picture = Buffer.from(data, 'base64');
    const plain = pictureFrame(picture, contentType);
    const { node_id, ...ids } = nodeInProgress({ nodeId: nodeId ?? '', expandedFrom });
    const about = { node_id, prompt_id: narrator.promptId, ...ids, image_type: contentType };
    const described = describedFrame(picture, about);
    for (const outlet of this.outlets) outlet.preview(outlet.wantsMetadata ? described : plain);
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
          picture: (content, contentType) => this.#picture(content, contentType),
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
      const text = textFrame(message);
      for (const outlet of this.outlets) outlet.send(text);
    }
  }

  /** Resolves when all sockets have it. */
  async #picture(content: Buffer, contentType: string): Promise<void> {
    const frame = pictureFrame(content, contentType);
    await Promise.all([...this.outlets].map((outlet) => outlet.picture(frame)));
  }
}

/** While an end is told. */
export interface Scene {
  /** The sockets heard the beginning already. */
  readonly isBegun: boolean;
  tell(messages: readonly Message[]): void;
  /** Resolves when all sockets have the picture. */
  picture(content: Buffer, contentType: string): Promise<void>;
}
