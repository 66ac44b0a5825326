import { setImmediate as yieldToEventLoop } from 'node:timers/promises';
import type { InputAudioTrack, InputTrack, InputVideoTrack } from 'mediabunny';
import { Covers } from './covers.js';
import { type PictureSize, withUnclearShape } from './exif.js';
import { checkFlac, checkMp4, checkOgg, checkWave } from './hidden-tracks.js';
import { readTags } from './id3-tag.js';
import { checkMatroska } from './matroska.js';
import { contentOf, HEADER_BYTES, loadMediabunny, openMedia, type StoredMedia } from './media-facts.js';
import { checkMp3 } from './mp3-start.js';
import { overlapping } from './mp4-tracks.js';
import { packetReader } from './packet-reader.js';
import { requireUsualRate, sampleCounter } from './sound-samples.js';

type Picture = Readonly<Record<'width' | 'height' | 'frames', number>>;
type Sound = Readonly<Record<'seconds' | 'rate' | 'channels', number>>;

/** The decoded size of a video or a sound: the largest of each number among the tracks. */
export interface MediaSize {
  readonly picture?: PictureSize;
  readonly sound?: Sound;
}

/** Limit for all tracks; an hour of Opus has 180,000 packets, which take three seconds. */
const MOST_PACKETS = 200_000;
/** How long packets are read before other requests are served. */
const YIELD_AFTER_MS = 10;
/** The length of the signature `fLaC`. */
const FLAC_SIGNATURE_BYTES = 4;
/** How many bytes of a sound are scanned before other requests are served; takes at most 10 ms. */
const STEP_BYTES = 64 * 1024;

/**
 * Measures a stored video or sound. Counts packets and bytes, because the length and the size in a header can be wrong. Throws
 * if the file cannot be measured or has more than `maxFrames` frames.
 */
export async function measureMedia(media: StoredMedia, maxFrames: number): Promise<MediaSize> {
  const { FLAC, MATROSKA, MP3, MP4, OGG, QTFF, WAVE, WEBM } = await loadMediabunny();
  const input = await openMedia(media, { mostBytes: 4 * media.bytes, mostReads: maxFrames, prefetch: 'network' });
  try {
    const format = await input.getFormat();
    const covers = new Covers();
    // Before mediabunny opens it, which would look through a damaged one byte by byte without a pause.
    const walked = format === MATROSKA || format === WEBM ? await checkMatroska(media, covers) : undefined;
    const videos = await input.getVideoTracks();
    const sounds = await input.getAudioTracks();
    const tracks = videos.length + sounds.length;
    if (tracks === 0) throw new Error('it has no tracks');
    // mediabunny omits compressed, disabled and incomplete tracks, ffmpeg does not.
    if (walked !== undefined && walked.tracks !== tracks) throw new Error('it has tracks that cannot be measured');
    const tags = await readTags(media, 0, covers);
    let stated = walked?.packets ?? 0;
    if (format === MP4 || format === QTFF) stated = await checkMp4(media, tracks, covers);
    if (format === WAVE) await checkWave(media, covers);
    if (format === FLAC) await checkFlac(media, (tags.at(-1) ?? 0) + FLAC_SIGNATURE_BYTES, covers);
    if (format === MP3) await checkMp3(media, tags);
    const packets = createPackets(media);
    let picture: Picture | undefined;
    for (const track of videos) picture = most(picture, await pictureOf(track, packets.of(track), maxFrames));
    const rotations = await Promise.all(videos.map((track) => track.getRotation()));
    // Older ComfyUIs do not rotate videos.
    const isUnclear = rotations.some((degrees) => degrees % 180 !== 0);
    // ffmpeg decodes these formats beyond the end that the header states.
    const isBare = format === FLAC || format === MP3 || format === WAVE;
    let sound: Sound | undefined;
    for (const track of sounds)
      sound = most(sound, await soundOf(track, isBare ? contentOf(media) : packets.of(track)));
    if (packets.count() < stated) throw new Error('it has packets that cannot be measured');
    if (format === OGG) await checkOgg(media, packets.count(), covers);
    // Without a video, ffmpeg presents the covers as the video.
    if (videos.length === 0) picture = covers.size;
    return { ...(picture && { picture: withUnclearShape(picture, isUnclear) }), ...(sound && { sound }) };
  } finally {
    input.dispose();
  }
}

/** The larger of each pair of numbers. */
function most<Name extends string>(one: Readonly<Record<Name, number>> | undefined, other: Record<Name, number>) {
  const numbers = Object.entries<number>(other).map(([name, value]) => [
    name,
    Math.max(value, one?.[name as Name] ?? 0),
  ]);
  return Object.fromEntries(numbers) as Record<Name, number>;
}

function createPackets({ signal, bytes: most }: StoredMedia) {
  let count = 0;
  let bytes = 0;
  let yieldedAt = performance.now();
  async function* of(track: InputTrack) {
    const { EncodedPacketSink } = await loadMediabunny();
    const sink = new EncodedPacketSink(track);
    for (let packet = await sink.getFirstPacket(); packet !== null; packet = await sink.getNextPacket(packet)) {
      count += 1;
      if (count > MOST_PACKETS) throw new Error('it has too many packets');
      // A copy of packets that overlap would be larger than the file.
      bytes += packet.data.length;
      if (bytes > most) throw overlapping();
      signal.throwIfAborted();
      if (performance.now() - yieldedAt > YIELD_AFTER_MS) {
        await yieldToEventLoop();
        yieldedAt = performance.now();
      }
      yield packet.data;
    }
  }
  return { of, count: () => count };
}

async function pictureOf(track: InputVideoTrack, packets: AsyncIterable<Uint8Array>, maxFrames: number) {
  // mediabunny has no codec for pictures in a container (PNG, Motion JPEG), whose sizes can differ from the stated size.
  const codec = await track.getCodec();
  if (codec === null) throw new Error('it has a video in an unknown codec');
  const description = (await track.getDecoderConfig())?.description;
  const read = packetReader(codec, description as Uint8Array | undefined);
  let all: Picture = { width: await track.getCodedWidth(), height: await track.getCodedHeight(), frames: 0 };
  for await (const packet of packets) {
    const one = read(packet);
    all = { ...most(all, one), frames: all.frames + one.frames };
    if (all.frames > maxFrames) throw new Error('it has too many frames');
  }
  if (all.frames === 0) throw new Error('it has no frames');
  return all;
}

async function soundOf(track: InputAudioTrack, content: AsyncIterable<Uint8Array>): Promise<Sound> {
  const rate = Math.max(1, await track.getSampleRate());
  requireUsualRate(rate);
  const channels = Math.max(1, await track.getNumberOfChannels());
  const config = await track.getDecoderConfig();
  const samples = await sumOf(content, sampleCounter(config?.codec, config?.description as Uint8Array | undefined));
  return { seconds: samples / rate / channels, rate, channels };
}

async function sumOf(content: AsyncIterable<Uint8Array>, count: (part: Uint8Array) => number): Promise<number> {
  let sum = 0;
  for await (const part of content) {
    for (let at = 0; at < part.length; at += STEP_BYTES) {
      if (at > 0) await yieldToEventLoop();
      sum += count(part.subarray(at, at + STEP_BYTES + HEADER_BYTES));
    }
  }
  return sum;
}
