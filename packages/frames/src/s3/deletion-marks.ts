import { randomBytes } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { DeleteObjectCommand, PutObjectCommand } from '@aws-sdk/client-s3';
import { ASK_MS, type Bucket, listObjects } from './bucket.js';

/** How long a deletion may take after its mark was set. */
const DELETION_MS = 8_000;
/** A mark this old was left by a process that died. Longer than DELETION_MS, to allow for clocks and networks. */
const DEAD_MS = 15_000;
const POLL_MS = 100;

/**
 * S3 can delete an object on condition of its content but not of its time. So `deleteUnchanged` first sets a mark and then
 * checks the time, while `touch` first updates the time, then waits until existing marks are gone, and then checks whether the
 * object still exists. Whichever comes second sees the other, because S3 is strongly consistent.
 */
export interface DeletionMarks {
  /** Runs a deletion under a mark, with a signal that aborts it in time. */
  under<T>(name: string, deletion: (signal: AbortSignal) => Promise<T>): Promise<T>;
  /** Resolves when all deletions of this name that began earlier have ended. */
  passed(name: string): Promise<void>;
}

/** `prefix` ends in a slash; only marks are stored below it. Marks that still exist after `deadMs` are removed. */
export function createDeletionMarks(bucket: Bucket, prefix: string, { deadMs = DEAD_MS } = {}): DeletionMarks {
  const { ask, settings } = bucket;
  const Bucket = settings.bucket;
  const remove = (Key: string) =>
    ask((client, options) => client.send(new DeleteObjectCommand({ Bucket, Key }), options), { ms: ASK_MS });

  async function marksOf(name: string): Promise<readonly string[]> {
    const below = `${prefix}${name}/`;
    const keys: string[] = [];
    for await (const mark of listObjects(bucket, below, {})) keys.push(below + mark.name);
    return keys;
  }

  return {
    under: async (name, deletion) => {
      const Key = `${prefix}${name}/${randomBytes(8).toString('hex')}`;
      const put = new PutObjectCommand({ Bucket, Key, Body: '', ContentLength: 0 });
      await ask((client, options) => client.send(put, options), { ms: ASK_MS });
      // If the deletion fails, keep the mark, so that `passed` waits until no request of it can still be in flight.
      const result = await deletion(AbortSignal.timeout(DELETION_MS));
      await remove(Key);
      return result;
    },
    passed: async (name) => {
      let left = await marksOf(name);
      for (const end = performance.now() + deadMs; left.length > 0 && performance.now() < end; ) {
        await delay(POLL_MS);
        const now = new Set(await marksOf(name));
        left = left.filter((mark) => now.has(mark));
      }
      await Promise.all(left.map(remove));
    },
  };
}
