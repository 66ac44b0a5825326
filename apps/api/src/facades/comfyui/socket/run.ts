import { buffer } from 'node:stream/consumers';
import { isTerminal } from '@comfy-fleet/contracts';
import { type JobRecord, listedOf } from '@comfy-fleet/jobs';
import type { Deps } from '../../../deps.js';
import { ending } from '../present/messages.js';
import { nodeUnderWay } from '../present/node-ids.js';
import { presentOutputs } from '../present/outputs.js';
import type { Group, Scene } from './group.js';
import { Narrator } from './narrator.js';

type Needs = Pick<Deps, 'config' | 'ledger' | 'frames' | 'log'>;

/** One job, told to the sockets of its client. */
export class Run {
  readonly #needs: Needs;
  readonly #group: Group;
  readonly #id: string;
  #narrator: Narrator | undefined;

  constructor(needs: Needs, group: Group, id: string) {
    this.#needs = needs;
    this.#group = group;
    this.#id = id;
  }

  /**
   * Tells of the job until it has ended, or is gone. Throws what the ledger throws, and may be called again then: what was
   * told is not told again.
   */
  async follow(signal: AbortSignal): Promise<void> {
    const { jobs } = this.#needs.ledger;
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
      await this.#group.ended(narrator, (scene) => this.#tellEnd(record, narrator, scene), ending(record));
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

  /** Everything that was not told yet. */
  async #tellEnd(record: JobRecord, narrator: Narrator, scene: Scene): Promise<void> {
    const missed = record.startedAt === null ? [] : narrator.started(record);
    scene.tell(scene.isBegun ? missed : narrator.soFar);
    const outputs = presentOutputs(record.outputs);
    const timed = new Map((record.timings?.nodes ?? []).map((node) => [node.nodeId, node]));
    // The node at which a prompt failed or was stopped did not finish.
    const stoppedAt = record.status === 'succeeded' ? undefined : (record.error?.nodeId ?? [...timed.keys()].at(-1));
    for (const node of new Set([...timed.keys(), ...Object.keys(outputs)])) {
      const made = record.outputs.filter(({ nodeId }) => nodeId === node);
      const { cached = false, steps = null, expandedFrom = made[0]?.expandedFrom } = timed.get(node) ?? {};
      const output = outputs[node];
      if (output !== undefined && made.some((one) => listedOf(one).isSent)) {
        await this.#sendPictures(record, node, narrator, scene);
        continue;
      }
      if (timed.has(node) && !cached)
        scene.tell(node === stoppedAt ? narrator.entered(node, expandedFrom) : narrator.ran(node, steps, expandedFrom));
      else if (!cached) scene.tell(narrator.entered(node, expandedFrom));
      if (output !== undefined) {
        scene.tell([
          ['executed', { ...nodeUnderWay({ nodeId: node, expandedFrom }), output, prompt_id: narrator.promptId }],
        ]);
      }
    }
    if (record.status === 'succeeded') scene.tell(narrator.done());
  }

  /** Of a node that sends them over the socket alone. */
  async #sendPictures(record: JobRecord, node: string, narrator: Narrator, scene: Scene): Promise<void> {
    const { config, frames, log } = this.#needs;
    const pictures = record.outputs.filter(({ nodeId }) => nodeId === node);
    const entered = narrator.entered(node);
    scene.tell(entered.length > 0 ? entered : narrator.executing);
    for (const [sent, { file, bytes, contentType }] of pictures.entries()) {
      // A message is in memory as a whole. GET /view streams the file.
      if (bytes > config.images.maxBytes) {
        log.warn('a picture is too large to be sent over a socket', { job: record.id, file, bytes });
        continue;
      }
      const content = await contentOf(frames, file).catch((error: unknown) => {
        log.warn('a picture could not be read for a socket', { job: record.id, file, error });
        return undefined;
      });
      if (content === undefined) continue;
      scene.tell(narrator.reached(sent, pictures.length));
      await scene.picture(content, contentType, node);
    }
  }
}

async function contentOf(frames: Deps['frames'], file: string): Promise<Buffer | undefined> {
  const stream = await frames.open(file);
  return stream === undefined ? undefined : buffer(stream);
}
