import type { Readable } from 'node:stream';
import type { Redis } from 'ioredis';
import { orUnavailable, runScript } from '../connection.js';
import type { Keys } from '../keys.js';
import { type OutputRecord, picturesOf } from './outputs.js';
import type { JobRecord } from './record.js';

/** Where outputs are stored. */
interface OutputFiles {
  open(name: string): Promise<Readable | undefined>;
  put(name: string, source: AsyncIterable<Uint8Array>, options: { readonly signal: AbortSignal }): Promise<unknown>;
  delete(name: string): Promise<void>;
}

/** Jobs that get the outputs of an equal job of their key; see NewJob.reuse. Both methods throw `queue_unavailable`. */
export type Reuse = ReturnType<typeof createReuse>;

/** The job whose outputs are given. */
type First = Pick<JobRecord, 'id' | 'key' | 'outputs'>;

/** Above the numbers of rendered outputs, so that the copies can be deleted while a worker stores outputs of the job. */
const FIRST_COPY = 5001;

/** The outputs of the first job as outputs of the other one. */
function copiesOf({ outputs }: First, id: string): OutputRecord[] {
  return outputs.map((output, n) => ({
    ...output,
    file: `${id}_${FIRST_COPY + n}${output.file.slice(output.file.lastIndexOf('.'))}`,
  }));
}

export function createReuse(redis: Redis, keys: Keys, { jobTtlSeconds }: { readonly jobTtlSeconds: number }) {
  const isWaitingFor = async (first: string, id: string) => {
    const fields = ['status', 'phase', 'reused_from'] as const;
    const [status, phase, from] = await orUnavailable(() => redis.hmget(keys.job(id), ...fields));
    return status === 'queued' && phase === 'waiting' && from === first;
  };
  const hasCopies = async (first: string, id: string) => {
    const [status, from] = await orUnavailable(() => redis.hmget(keys.job(id), 'status', 'reused_from'));
    return status === 'succeeded' && from === first;
  };
  const isOverStorage = async (key: string) => {
    const args = { key, verb: 'use' };
    const reply = await orUnavailable(() => runScript(redis, 'storage', keys.storage, keys.prefix, args));
    return (reply as readonly number[])[2] === 1;
  };
  const end = async (first: string, id: string, outputs: readonly OutputRecord[]) => {
    const pictures = picturesOf(outputs).length;
    const args = { id, ended_life: jobTtlSeconds * 1000, first, outputs: JSON.stringify(outputs), pictures };
    return (await orUnavailable(() => runScript(redis, 'reuse', keys.job(id), keys.prefix, args))) === 1;
  };
  const copyTo = async (first: First, id: string, files: OutputFiles, signal: AbortSignal) => {
    const outputs = copiesOf(first, id);
    for (const [n, { file }] of outputs.entries()) {
      if (!(await isWaitingFor(first.id, id))) return false;
      const content = await files.open(first.outputs[n]?.file ?? '');
      if (content === undefined) return false;
      await files.put(file, content, { signal });
    }
    return end(first.id, id, outputs);
  };

  return {
    /**
     * Ends a waiting job with copies of the outputs of the first one, so that either can be deleted. False if an output
     * is gone or the key may store no more, so that the job is rendered, or if the job does not wait for these outputs
     * any more. The copies count once they are made, so do not make many at a time. Throws `storage_failed`, and the
     * signal's reason.
     */
    give: async (first: First, id: string, files: OutputFiles, signal: AbortSignal) => {
      if (await isOverStorage(first.key)) return false;
      let isGiven = false;
      try {
        isGiven = await copyTo(first, id, files, signal);
        return isGiven;
      } finally {
        if (!isGiven && !(await hasCopies(first.id, id))) {
          for (const { file } of copiesOf(first, id)) await files.delete(file);
        }
      }
    },
  };
}
