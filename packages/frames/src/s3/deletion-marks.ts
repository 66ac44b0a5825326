import { randomBytes } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { DeleteObjectCommand, PutObjectCommand } from '@aws-sdk/client-s3';
import { ASK_MS, type Bucket, listObjects } from './bucket.js';

/** From its mark on, a deletion has this long. */
const DELETION_MS = 8_000;
/** Whose mark has been seen for so long died without taking it away. Longer than DELETION_MS by what clocks and networks do. */
const DEAD_MS = 15_000;
const LOOK_AGAIN_MS = 100;

/**
 * S3 can delete only what has a certain content, not what has a certain time. So who deletes by time puts a mark first, and
 * looks at the time then; who makes a picture young looks for marks afterwards, waits for the end of those there are, and
 * looks then whether the picture is there. Whichever comes second sees the other, since S3 shows at once what was written.
 */
export interface DeletionMarks {
  /** Runs a deletion under a mark, with a signal that ends it in time. */
  under<T>(name: string, deletion: (signal: AbortSignal) => Promise<T>): Promise<T>;
  /** Resolves when no deletion of this name is under way that began before. */
  passed(name: string): Promise<void>;
}

/** `prefix` ends in a slash and holds nothing but marks. `deadMs`: how long a mark is believed. */
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
      // When it fails the mark stays: who sees it waits until nothing of it can be on its way any more.
      const result = await deletion(AbortSignal.timeout(DELETION_MS));
      await remove(Key);
      return result;
    },
    passed: async (name) => {
      let left = await marksOf(name);
      for (const end = performance.now() + deadMs; left.length > 0 && performance.now() < end; ) {
        await delay(LOOK_AGAIN_MS);
        const now = new Set(await marksOf(name));
        left = left.filter((mark) => now.has(mark));
      }
      await Promise.all(left.map(remove));
    },
  };
}
