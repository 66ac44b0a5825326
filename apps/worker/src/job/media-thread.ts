import { Readable } from 'node:stream';
import { parentPort, workerData } from 'node:worker_threads';
import { type ByteRange, mediaFacts, type StoredMedia } from '@comfy-fleet/frames';

/** A thread that reads the facts of one video or sound; see media-facts.ts, which reads the store for it. */
export type MediaThreadData = Pick<StoredMedia, 'bytes' | 'start'>;
/** What the thread asks for, or its result. */
export type MediaThreadMessage = ByteRange | { readonly facts: Awaited<ReturnType<typeof mediaFacts>> };

const { bytes, start } = workerData as MediaThreadData;
let last: Promise<unknown> = Promise.resolve();

function open(_name: string, range?: ByteRange): Promise<Readable | undefined> {
  const opened = last.then(
    () =>
      new Promise<Readable | undefined>((resolve) => {
        parentPort?.once('message', (content: Uint8Array | undefined) => {
          resolve(content === undefined ? undefined : Readable.from([content]));
        });
        parentPort?.postMessage(range);
      }),
  );
  last = opened;
  return opened;
}

const { signal } = new AbortController();
const facts = await mediaFacts({ name: '', bytes, start: Buffer.from(start), frames: { open }, signal });
parentPort?.postMessage({ facts });
