import { extname } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { Worker } from 'node:worker_threads';
import { joinSignals } from '@comfy-fleet/contracts';
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
 * state billions of frames. Omits what cannot be read, or takes too much memory or time. Throws the signal's reason.
 */
export function createMediaReader(program = PROGRAM) {
  const limit = pLimit(MOST_THREADS);
  const lastOf = new Map<string, Promise<MediaFacts>>();
  /** Reads files of one API key one at a time, so that they cannot hold up those of others. */
  return async (media: StoredMedia, key: string): Promise<MediaFacts> => {
    const inTime = joinSignals([media.signal], { ms: MOST_MS });
    const last = lastOf.get(key);
    const read = async () => {
      await last;
      return limit(() => factsOf({ ...media, signal: inTime.signal }, program));
    };
    const reading = read();
    lastOf.set(key, reading);
    const facts = await reading;
    inTime.end();
    if (lastOf.get(key) === reading) lastOf.delete(key);
    media.signal.throwIfAborted();
    return facts;
  };
}

/** Never throws. */
async function factsOf({ name, bytes, start, frames, signal }: StoredMedia, program: URL): Promise<MediaFacts> {
  if (signal.aborted) return {};
  const workerData: MediaThreadData = { bytes, start };
  const thread = new Worker(program, { workerData, resourceLimits: { maxOldGenerationSizeMb: MOST_MEMORY_MB } });
  const facts = await new Promise<MediaFacts>((resolve) => {
    const giveUp = () => resolve({});
    signal.addEventListener('abort', giveUp);
    thread.once('error', giveUp); // it takes too much memory
    thread.on('message', (message: MediaThreadMessage) => {
      if ('facts' in message) return resolve(message.facts);
      const read = async () => {
        const content = await frames.open(name, message);
        thread.postMessage(content && (await buffer(content)));
      };
      read().catch(giveUp);
    });
  });
  await thread.terminate();
  return facts;
}
