import { buffer } from 'node:stream/consumers';
import { isTerminal } from '@comfy-fleet/contracts';
import { type JobRecord, listedOf } from '@comfy-fleet/jobs';
import type { Deps } from '../../../deps.js';
import { ending } from '../present/messages.js';
import { presentOutputs } from '../present/outputs.js';
import type { Group } from './group.js';
import { Narrator } from './narrator.js';

/** One job, told to the sockets of its client. */
export class Run {
  readonly #deps: Pick<Deps, 'ledger' | 'frames' | 'log'>;
  readonly #group: Group;
  readonly #id: string;
  #narrator: Narrator | undefined;

  constructor(deps: Pick<Deps, 'ledger' | 'frames' | 'log'>, group: Group, id: string) {
    this.#deps = deps;
    this.#group = group;
    this.#id = id;
  }

  /** What a socket is to be told that comes late. */
  get soFar(): Narrator['soFar'] {
    return this.#narrator?.soFar ?? [];
  }

  /**
   * Tells of the job until it has ended, or is gone. Throws what the ledger throws, and may be called again then: what was
   * told is not told again.
   */
  async follow(signal: AbortSignal): Promise<void> {
    const { jobs } = this.#deps.ledger;
    for await (const item of jobs.events(this.#id, { signal })) {
      if (item.kind === 'snapshot') {
        if (await this.#isOver(item.snapshot.record)) return;
      } else if (item.kind === 'preview') {
        if (this.#narrator !== undefined) this.#group.preview(item.preview, this.#narrator);
      } else if (item.event.type === 'progress') {
        this.#group.tell(this.#narrator?.progressed(item.event.progress) ?? []);
      } else {
        const now = await jobs.get(this.#id);
        if (now === undefined || (await this.#isOver(now.record))) return;
      }
    }
  }

  async #isOver(record: JobRecord): Promise<boolean> {
    this.#narrator ??= new Narrator(record);
    if (isTerminal(record.status)) {
      await this.#end(record, this.#narrator);
      return true;
    }
    if (record.status === 'queued') this.#narrator.lost();
    else if (record.startedAt !== null) this.#group.tell(this.#narrator.begun(record));
    return false;
  }

  /** Everything that was not told yet, and at last that nothing of it is under way. */
  async #end(record: JobRecord, narrator: Narrator): Promise<void> {
    if (record.startedAt !== null) this.#group.tell(narrator.begun(record));
    for (const [node, output] of Object.entries(presentOutputs(record.outputs))) {
      if (record.outputs.some((one) => one.nodeId === node && listedOf(one).isSent)) {
        await this.#sendPictures(record, node, narrator);
        continue;
      }
      const about = { node, display_node: node, output, prompt_id: narrator.promptId };
      this.#group.tell([...narrator.entered(node), ['executed', about]]);
    }
    this.#group.tell([ending(record), ['executing', { node: null, prompt_id: narrator.promptId }]]);
  }

  /** Of a node that sends them over the socket alone. */
  async #sendPictures(record: JobRecord, node: string, narrator: Narrator): Promise<void> {
    const { frames, log } = this.#deps;
    await this.#group.alone(async () => {
      const entered = narrator.entered(node);
      this.#group.tell(entered.length > 0 ? entered : narrator.executing);
      for (const { file, contentType, nodeId } of record.outputs) {
        if (nodeId !== node) continue;
        const content = await contentOf(frames, file).catch((error: unknown) => {
          log.warn('a picture could not be read for a socket', { job: record.id, file, error });
          return undefined;
        });
        if (content !== undefined) await this.#group.picture(content, contentType);
      }
    });
  }
}

async function contentOf(frames: Deps['frames'], file: string): Promise<Buffer | undefined> {
  const stream = await frames.open(file);
  return stream === undefined ? undefined : buffer(stream);
}
