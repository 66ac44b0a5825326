import type { Readable } from 'node:stream';
import type { Redis } from 'ioredis';
import { orUnavailable, runScript } from '../connection.js';
import type { Keys } from '../keys.js';
import { picturesOf } from './outputs.js';
import type { JobRecord } from './record.js';

/** Where outputs are stored. */
interface OutputFiles {
  open(name: string): Promise<Readable | undefined>;
  put(name: string, source: AsyncIterable<Uint8Array>, options: { readonly signal: AbortSignal }): Promise<unknown>;
}

/** Jobs that get the outputs of an equal job of their key; see NewJob.reuse. Both methods throw `queue_unavailable`. */
export interface Reuse {
  /** The jobs that wait for the outputs of this one. */
  waitingFor(id: string): Promise<readonly string[]>;
  /**
   * Ends a waiting job with copies of the outputs of the first one, so that either can be deleted. False if an output is
   * gone, so that the job is rendered, or if the job does not wait for these outputs any more. Throws `storage_failed`,
   * and the signal's reason.
   */
  give(first: Pick<JobRecord, 'id' | 'outputs'>, id: string, files: OutputFiles, signal: AbortSignal): Promise<boolean>;
}

export function createReuse(redis: Redis, keys: Keys, { jobTtlSeconds }: { readonly jobTtlSeconds: number }): Reuse {
  return {
    waitingFor: (id) => orUnavailable(() => redis.smembers(keys.reusers(id))),
    give: async (first, id, files, signal) => {
      const [status, from] = await orUnavailable(() => redis.hmget(keys.job(id), 'status', 'reused_from'));
      if (status !== 'queued' || from !== first.id) return false;
      const outputs = first.outputs.map((output) => ({ ...output, file: output.file.replace(first.id, id) }));
      for (const [n, { file }] of outputs.entries()) {
        const content = await files.open(first.outputs[n]?.file ?? '');
        if (content === undefined) return false;
        await files.put(file, content, { signal });
      }
      const args = {
        id,
        ended_life: jobTtlSeconds * 1000,
        first: first.id,
        outputs: JSON.stringify(outputs),
        pictures: picturesOf(outputs).length,
      };
      return (await orUnavailable(() => runScript(redis, 'reuse', keys.job(id), keys.prefix, args))) === 1;
    },
  };
}
