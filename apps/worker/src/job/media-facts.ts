import { extname } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { Worker } from 'node:worker_threads';
import type { MediaFacts, StoredMedia } from '@comfy-fleet/frames';
import pLimit from 'p-limit';
import type { MediaThreadData, MediaThreadMessage } from './media-thread.js';

/** The bundle of media-thread.ts, beside ours: media-thread.js, or media-thread.mjs in the npm package. */
const PROGRAM = new URL(`media-thread${extname(import.meta.url)}`, import.meta.url);
/** A film of two hours needs half of it. */
const MOST_MEMORY_MB = 128;
/** How long a job waits for the facts, also for its turn. A usual video takes a fifth of a second. */
const MOST_MS = 10_000;
const MOST_THREADS = 2;

/**
 * Reads the facts of media in threads of their own: ComfyUI saves some files as callers sent them, and a file of 1 KB can
 * state billions of frames. Omits them if that takes too much memory or time.
 */
export function createMediaReader(program = PROGRAM) {
  const limit = pLimit(MOST_THREADS);
  const lastOf = new Map<string, Promise<MediaFacts>>();
  /** Files of one API key are read one at a time, so that they cannot hold up those of others. */
  return async (media: StoredMedia, key: string): Promise<MediaFacts> => {
    const late = AbortSignal.timeout(MOST_MS);
    const last = lastOf.get(key)?.catch(() => undefined);
    const read = async () => {
      await last;
      return limit(() => (late.aborted ? {} : factsOf(media, program, late)));
    };
    const reading = read();
    lastOf.set(key, reading);
    try {
      return await reading;
    } finally {
      if (lastOf.get(key) === reading) lastOf.delete(key);
    }
  };
}

async function factsOf(
  { name, bytes, start, frames, signal }: StoredMedia,
  program: URL,
  late: AbortSignal,
): Promise<MediaFacts> {
  const workerData: MediaThreadData = { bytes, start };
  const thread = new Worker(program, { workerData, resourceLimits: { maxOldGenerationSizeMb: MOST_MEMORY_MB } });
  try {
    return await new Promise<MediaFacts>((resolve, reject) => {
      late.addEventListener('abort', () => resolve({}));
      signal.addEventListener('abort', () => reject(signal.reason));
      thread.once('error', () => resolve({})); // it takes too much memory
      thread.on('message', (message: MediaThreadMessage) => {
        if ('facts' in message) return resolve(message.facts);
        const read = async () =>
          thread.postMessage(await frames.open(name, message).then((content) => content && buffer(content)));
        read().catch(reject);
      });
    });
  } finally {
    await thread.terminate();
  }
}
