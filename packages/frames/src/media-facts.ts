import { buffer } from 'node:stream/consumers';
import type { Input } from 'mediabunny';
import type { ByteRange, FrameStore } from './frame-store.js';

/** The size and duration that the headers of a video or a sound state. */
export interface MediaFacts {
  readonly width?: number;
  readonly height?: number;
  readonly durationSeconds?: number;
}

export interface StoredMedia {
  /** Its name in the store. */
  readonly name: string;
  readonly bytes: number;
  /** The first bytes, which need not be read again. */
  readonly start: Buffer;
  readonly frames: Pick<FrameStore, 'open'>;
  readonly signal: AbortSignal;
}

/** Limits for reads from the store: the index of an MP4, or the last cluster of a WebM, is often at the end of the file. */
const MOST_BYTES = 8 * 1024 * 1024;
const MOST_READS = 50;
/** Limit for one packet: a frame of 8K ProRes has about 16 MB. */
const MOST_AT_ONCE = 32 * 1024 * 1024;

/** Reads the duration and the picture size of a stored video or sound. Omits what cannot be read. */
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
    if (left < 0 || reads > mostReads || wanted > MOST_AT_ONCE) throw new Error('it would take too much reading');
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

/** Loaded only for the first video or sound: few workflows have one, and the library is large. */
export function loadMediabunny() {
  return import('mediabunny');
}
