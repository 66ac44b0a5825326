import type { Input, InputAudioTrack, InputTrack, InputVideoTrack } from 'mediabunny';
import { type PictureSize, withUnclearShape } from './exif.js';
import { MediaFault } from './hidden-media.js';
import { loadMediabunny, type StoredMedia } from './media-facts.js';
import { packetReader } from './packet-reader.js';
import { openWhole, packetsOf, usedTracks } from './packets.js';
import type { Container } from './rewrite-media.js';
import { requireFewChannels, requireUsualRate, sampleCounter } from './sound-samples.js';

type Picture = Readonly<Record<'width' | 'height' | 'frames', number>>;
type Sound = Readonly<Record<'seconds' | 'rate' | 'channels', number>>;

/** The decoded size of a video or a sound: the largest of each number among the tracks. */
export interface MediaSize {
  readonly picture?: PictureSize;
  readonly sound?: Sound;
  /** What `rewriteMedia` may write it into. */
  readonly container: Container;
}

/** Limit for all tracks; an hour of Opus has 180,000 packets, which take three seconds. */
const MOST_PACKETS = 200_000;

/**
 * Measures the packets of a stored video or sound, which `rewriteMedia` then writes into a file of its own, since headers can
 * state other lengths and sizes. Throws if the file cannot be measured or has more than `maxFrames` frames.
 */
export async function measureMedia(media: StoredMedia, maxFrames: number): Promise<MediaSize> {
  const input = await openWhole(media);
  try {
    const { videos, sounds } = await usedTracks(input);
    if (videos.length + sounds.length === 0) throw new Error('it has no tracks');
    const packetsIn = createPackets(media);
    let picture: Picture | undefined;
    for (const track of videos) picture = most(picture, await pictureOf(track, packetsIn(track), maxFrames));
    const rotations = await Promise.all(videos.map((track) => track.getRotation()));
    // Older ComfyUIs do not rotate videos.
    const isUnclear = rotations.some((degrees) => degrees % 180 !== 0);
    let sound: Sound | undefined;
    for (const track of sounds) sound = most(sound, await soundOf(track, packetsIn(track)));
    return {
      ...(picture && { picture: withUnclearShape(picture, isUnclear) }),
      ...(sound && { sound }),
      container: await containerOf(input, videos),
    };
  } finally {
    input.dispose();
  }
}

async function containerOf(input: Input, videos: readonly InputVideoTrack[]): Promise<Container> {
  const { MATROSKA, WEBM } = await loadMediabunny();
  const format = await input.getFormat();
  const codecs = await Promise.all(videos.map((track) => track.getCodec()));
  // ffmpeg changes ProRes when it reads it of Matroska, and looks for other packets if that fails.
  return (format === MATROSKA || format === WEBM) && !codecs.includes('prores') ? 'mkv' : 'mov';
}

/** The larger of each pair of numbers. */
function most<Name extends string>(one: Readonly<Record<Name, number>> | undefined, other: Record<Name, number>) {
  const numbers = Object.entries<number>(other).map(([name, value]) => [
    name,
    Math.max(value, one?.[name as Name] ?? 0),
  ]);
  return Object.fromEntries(numbers) as Record<Name, number>;
}

function createPackets(media: StoredMedia) {
  let count = 0;
  let bytes = 0;
  async function* of(track: InputTrack) {
    for await (const { data } of packetsOf(track)) {
      count += 1;
      if (count > MOST_PACKETS) throw new Error('it has too many packets');
      bytes += data.length;
      if (bytes > media.bytes) throw new MediaFault('has packets that overlap');
      yield data;
    }
  }
  return of;
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

async function soundOf(track: InputAudioTrack, packets: AsyncIterable<Uint8Array>): Promise<Sound> {
  const rate = Math.max(1, await track.getSampleRate());
  requireUsualRate(rate);
  const channels = Math.max(1, await track.getNumberOfChannels());
  requireFewChannels(channels);
  const config = await track.getDecoderConfig();
  const samplesOf = sampleCounter(config?.codec, config?.description as Uint8Array | undefined);
  let samples = 0;
  for await (const packet of packets) samples += samplesOf(packet);
  return { seconds: samples / rate / channels, rate, channels };
}
