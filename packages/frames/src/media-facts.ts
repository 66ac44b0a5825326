import { buffer } from 'node:stream/consumers';
import { setImmediate as yieldToEventLoop } from 'node:timers/promises';
import type { Input, InputAudioTrack, InputVideoTrack } from 'mediabunny';
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

/** What the tracks of a video or a sound become when they are decoded: the most of each. */
export interface MediaSize {
  readonly picture?: { readonly width: number; readonly height: number; readonly frames: number };
  readonly sound?: { readonly seconds: number; readonly rate: number; readonly channels: number };
}

/** Frames that are counted before others have their turn: about 10 ms. */
const FRAMES_PER_TURN = 100;
/** Of an MP3, at the lowest of its bit rates. */
const MP3_BYTES_PER_SECOND = 1000;

/** Throws for what cannot be measured, and for a video of more frames. They are counted, since what the file says of them can be wrong. */
export async function measureMedia(media: StoredMedia, maxFrames: number): Promise<MediaSize> {
  const input = await openMedia(media, { mostBytes: 2 * media.bytes, mostReads: maxFrames });
  try {
    const videos = await input.getVideoTracks();
    const sounds = await input.getAudioTracks();
    if (videos.length + sounds.length === 0) throw new Error('it has no tracks');
    let picture: MediaSize['picture'];
    for (const track of videos) {
      // Pictures in a container (PNG, Motion JPEG) have sizes of their own, whatever the container says.
      if ((await track.getCodec()) === null) throw new Error('its codec is not one of videos');
      const { width = 0, height = 0, frames = 0 } = picture ?? {};
      picture = {
        width: Math.max(width, await track.getCodedWidth()),
        height: Math.max(height, await track.getCodedHeight()),
        frames: Math.max(frames, await framesOf(track, maxFrames)),
      };
    }
    let sound: MediaSize['sound'];
    for (const track of sounds) {
      const { seconds = 0, rate = 0, channels = 0 } = sound ?? {};
      sound = {
        seconds: Math.max(seconds, await secondsOf(track, media.bytes)),
        rate: Math.max(rate, await track.getSampleRate()),
        channels: Math.max(channels, await track.getNumberOfChannels()),
      };
    }
    return { ...(picture && { picture }), ...(sound && { sound }) };
  } finally {
    input.dispose();
  }
}

async function framesOf(track: InputVideoTrack, most: number): Promise<number> {
  const { EncodedPacketSink } = await loadMediabunny();
  const sink = new EncodedPacketSink(track);
  const metadataOnly = { metadataOnly: true };
  let frames = 0;
  for (let packet = await sink.getFirstPacket(metadataOnly); packet !== null; ) {
    frames += 1;
    if (frames > most) throw new Error('it has too many frames');
    if (frames % FRAMES_PER_TURN === 0) await yieldToEventLoop();
    packet = await sink.getNextPacket(packet, metadataOnly);
  }
  return frames;
}

async function secondsOf(track: InputAudioTrack, bytes: number): Promise<number> {
  const codec = await track.getCodec();
  const told = await track.getDurationFromMetadata();
  if (codec === 'mp3') return told ?? bytes / MP3_BYTES_PER_SECOND;
  const seconds = told ?? (await track.computeDuration());
  if (codec?.startsWith('pcm-') !== true) return seconds;
  return Math.min(seconds, bytes / (await track.getSampleRate()) / (await track.getNumberOfChannels()));
}

async function openMedia(
  { name, bytes, start, frames, signal }: StoredMedia,
  { mostBytes, mostReads }: { readonly mostBytes: number; readonly mostReads: number },
): Promise<Input> {
  let left = mostBytes;
  let reads = 0;
  const read = async (range: ByteRange): Promise<Uint8Array> => {
    const wanted = range.end - range.start + 1;
    left -= wanted;
    reads += 1;
    if (left < 0 || reads > mostReads) throw new Error('too much would have to be read');
    signal.throwIfAborted();
    const content = await frames.open(name, range);
    if (content === undefined) throw new Error('it is no longer there');
    return buffer(content);
  };
  const { CustomSource, FLAC, Input, MATROSKA, MP3, MP4, OGG, QTFF, WAVE, WEBM } = await loadMediabunny();
  return new Input({
    formats: [MP4, QTFF, WEBM, MATROSKA, MP3, WAVE, OGG, FLAC],
    source: new CustomSource({
      getSize: () => bytes,
      read: (from, to) => (to <= start.length ? start.subarray(from, to) : read({ start: from, end: to - 1 })),
    }),
  });
}

/** With the first video or sound: few workflows have one, and the library knows all their formats. */
function loadMediabunny() {
  return import('mediabunny');
}
