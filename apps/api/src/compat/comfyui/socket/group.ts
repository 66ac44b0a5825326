import type { Preview } from '@comfy-fleet/jobs';
import pLimit from 'p-limit';
import type { Message } from '../present/messages.js';
import { describedFrame, pictureFrame, textFrame } from './frames.js';
import type { Narrator } from './narrator.js';
import type { Outlet } from './outlet.js';

/** The sockets of one client of a key: each gets everything that is told of the client's jobs. */
export class Group {
  readonly outlets = new Set<Outlet>();
  /** ms since 1970. */
  readonly since = Date.now();
  /** Pictures do not say whose they are: what belongs to one job is not mixed with those of another. */
  readonly alone = pLimit(1);
  /** The prompt of whose nodes the sockets heard last. */
  #speaker: unknown;

  tell(messages: readonly Message[]): void {
    for (const message of messages) {
      if (message[0] === 'executing') this.#speaker = message[1].prompt_id;
      const text = textFrame(message);
      for (const outlet of this.outlets) outlet.send(text);
    }
  }

  preview({ contentType, data, nodeId }: Preview, narrator: Narrator): void {
    if (this.alone.activeCount > 0) return;
    const before = narrator.beforePreview(nodeId);
    if (before === undefined) return;
    const { promptId } = narrator;
    this.tell(before.length === 0 && this.#speaker !== promptId ? narrator.executing : before);
    const picture = Buffer.from(data, 'base64');
    const plain = pictureFrame(picture, contentType);
    const about = { display_node_id: nodeId, parent_node_id: null, real_node_id: nodeId, image_type: contentType };
    const described = describedFrame(picture, { node_id: nodeId, prompt_id: promptId, ...about });
    for (const outlet of this.outlets) outlet.preview(outlet.wantsMetadata ? described : plain);
  }

  /** Resolves when all sockets have it. */
  async picture(content: Buffer, contentType: string): Promise<void> {
    const frame = pictureFrame(content, contentType);
    await Promise.all([...this.outlets].map((outlet) => outlet.picture(frame)));
  }
}
