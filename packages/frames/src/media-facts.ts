import { buffer } from 'node:stream/consumers';
import type { Input } from 'mediabunny';
import type { ByteRange, FrameStore } from './frame-store.js';

/** What a video or a sound says of itself. */
export interface MediaFacts {
  readonly width?: number;
  readonly height?: number;
  readonly durationSeconds?: number;
}

export interface StoredMedia {
  /** Its name in the store. */
  readonly name: string;
  readonly bytes: number;
  /** Its beginning, which need not be read again. */
  readonly start: Buffer;
  readonly frames: Pick<FrameStore, 'open'>;
  readonly signal: AbortSignal;
}

/** An MP4 has its index at its end, a WebM its last cluster: these are read from the store, and no more than this. */
const MOST_BYTES = 8 * 1024 * 1024;
const MOST_READS = 50;
/** The largest packet that is read: a frame of 8K ProRes has about 16 MB. */
const MOST_AT_ONCE = 32 * 1024 * 1024;

/** How long a stored video or sound is, and the size of its picture; nothing of what cannot be read, whatever it is. */
export async function mediaFacts(media: StoredMedia): Promise<MediaFacts> {
  const input = await openMedia(media, { mostBytes: MOST_BYTES, mostReads: MOST_READS });
  try {
    const track = await input.getPrimaryVideoTrack();
    const seconds = (await input.getDurationFromMetadata()) ?? (await input.computeDuration());
    const isKnown = Number.isFinite(seconds) && seconds > 0;
    return {
      ...(track === null ? {} : { width: track.displayWidth, height: track.displayHeight }),
      ...(isKnown ? { durationSeconds: Math.round(seconds * 1000) / 1000 } : {}),
    };
  } catch {
    return {};
  } finally {
    input.dispose();
  }
}

interface ReadLimits {
  readonly mostBytes: number;
  readonly mostReads: number;
  readonly prefetch?: 'none' | 'network';
}

export async function openMedia(
  { name, bytes, start, frames, signal }: StoredMedia,
  { mostBytes, mostReads, prefetch = 'none' }: ReadLimits,
): Promise<Input> {
  let left = mostBytes;
  let reads = 0;
  const read = async (range: ByteRange): Promise<Uint8Array> => {
    const wanted = range.end - range.start + 1;
    left -= wanted;
    reads += 1;
    if (left < 0 || reads > mostReads || wanted > MOST_AT_ONCE) throw new Error('too much would have to be read');
    signal.throwIfAborted();
    const content = await frames.open(name, range);
    if (content === undefined) throw new Error('it is no longer there');
    return buffer(content);
  };
  const { CustomSource, FLAC, Input, MATROSKA, MP3, MP4, OGG, QTFF, WAVE, WEBM } = await loadMediabunny();
  return new Input({
    formats: [MP4, QTFF, WEBM, MATROSKA, MP3, WAVE, OGG, FLAC],
    source: new CustomSource({
      prefetchProfile: prefetch,
      getSize: () => bytes,
      read: (from, to) => (to <= start.length ? start.subarray(from, to) : read({ start: from, end: to - 1 })),
    }),
  });
}

/** Bytes of a part that the next one repeats, so that no header is cut off. */
export const HEADER_BYTES = 24;

export async function* contentOf({ name, frames, signal }: StoredMedia, range?: ByteRange) {
  let before = Buffer.alloc(0);
  const content = await frames.open(name, range);
  if (content === undefined) throw new Error('it is no longer there');
  for await (const part of content) {
    signal.throwIfAborted();
    const all = Buffer.concat([before, part]);
    yield all;
    before = all.subarray(-HEADER_BYTES);
  }
}

/** Less at the end of the file. */
export async function partOf({ name, bytes, frames }: StoredMedia, start: number, length: number): Promise<Buffer> {
  if (start >= bytes) return Buffer.alloc(0);
  const content = await frames.open(name, { start, end: Math.min(start + length, bytes) - 1 });
  if (content === undefined) throw new Error('it is no longer there');
  return buffer(content);
}

/** With the first video or sound: few workflows have one, and the library knows all their formats. */
export function loadMediabunny() {
  return import('mediabunny');
}
