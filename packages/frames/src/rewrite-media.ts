import { Transform, Writable } from 'node:stream';
import type {
  AudioCodec,
  EncodedPacket,
  Input,
  InputAudioTrack,
  InputVideoTrack,
  Output,
  StreamTargetChunk,
  VideoCodec,
} from 'mediabunny';
import { refuseHiddenMedia } from './hidden-media.js';
import { loadMediabunny, type StoredMedia } from './media-facts.js';
import { openWhole, packetsOf } from './packets.js';

/** How a video or a sound is copied. */
export interface Copying {
  /** QuickTime holds all codecs that can be measured, but ComfyUI cannot save VP8 of it, only of Matroska. */
  readonly extension: 'mov' | 'mkv';
  /** How many bytes all packets have. */
  readonly packetBytes: number;
}

/** The header of the media data: their length with the header, their name, and space for a length of eight bytes. */
const DATA_HEADER_BYTES = 16;
/** ffmpeg chooses a format by the first 2048 bytes if these are clear. */
const PROBED_BYTES = 2048;

/**
 * Writes the packets of a measured video or sound into a new file, so that ffmpeg finds nothing in it but what was measured.
 * Leaves out subtitles, covers and other metadata. Throws for packets that cannot be written so, and MediaFault if ffmpeg
 * would take the result for another medium.
 */
export async function* rewriteMedia(media: StoredMedia, copying: Copying): AsyncGenerator<Uint8Array> {
  const input = await openWhole(media);
  try {
    yield* copying.extension === 'mkv' ? matroska(input) : quickTime(input, copying);
  } finally {
    input.dispose();
  }
}

/** Holds the file in memory: mediabunny writes at its beginning when all else is written. */
async function* matroska(input: Input): AsyncGenerator<Uint8Array> {
  const { BufferTarget, MkvOutputFormat, Output } = await loadMediabunny();
  const target = new BufferTarget();
  await copyTracks(input, new Output({ format: new MkvOutputFormat(), target }));
  const file = Buffer.from(target.buffer ?? new ArrayBuffer());
  refuseHiddenMedia(file.subarray(0, PROBED_BYTES));
  yield file;
}

async function* quickTime(input: Input, { packetBytes }: Copying): AsyncGenerator<Uint8Array> {
  const { MovOutputFormat, Output, StreamTarget } = await loadMediabunny();
  let [at, start, dataHeader] = [0, Buffer.alloc(0), Buffer.alloc(0)];
  const file = new Transform({
    writableObjectMode: true,
    transform({ data, position }: StreamTargetChunk, _encoding, done) {
      try {
        const bytes = Buffer.from(data);
        if (at === 0) {
          dataHeader = bytes.subarray(-DATA_HEADER_BYTES, -8);
          dataHeader.writeUInt32BE(DATA_HEADER_BYTES + packetBytes);
        }
        // At the end, mediabunny writes the header again, with the length.
        if (position < at) {
          if (!bytes.equals(dataHeader)) throw new Error('its packets cannot be written as they are');
          return done();
        }
        at += bytes.length;
        if (start.length < PROBED_BYTES) {
          start = Buffer.concat([start, bytes]);
          refuseHiddenMedia(start);
        }
        done(null, bytes);
      } catch (error) {
        done(error as Error);
      }
    },
  });
  const format = new MovOutputFormat({ fastStart: false });
  const output = new Output({ format, target: new StreamTarget(Writable.toWeb(file)) });
  const writing = copyTracks(input, output).catch((error: Error) => file.destroy(error));
  try {
    yield* file;
  } finally {
    file.destroy();
    await writing;
  }
}

async function copyTracks(input: Input, output: Output): Promise<void> {
  const videos = await Promise.all((await input.getVideoTracks()).map((track) => copyVideo(track, output)));
  const sounds = await Promise.all((await input.getAudioTracks()).map((track) => copySound(track, output)));
  await output.start();
  await addInOrder([...videos, ...sounds]);
  await output.finalize();
}

/** A track that is being copied. */
interface Copy {
  readonly packets: AsyncGenerator<EncodedPacket, void>;
  readonly add: (packet: EncodedPacket) => Promise<void>;
}

async function copyVideo(track: InputVideoTrack, output: Output): Promise<Copy> {
  const { EncodedVideoPacketSource } = await loadMediabunny();
  const source = new EncodedVideoPacketSource((await track.getCodec()) as VideoCodec);
  output.addVideoTrack(source, { rotation: await track.getRotation(), flip: await track.getFlip() });
  const config = await configOf(track);
  return { packets: packetsOf(track), add: (packet) => source.add(packet, config) };
}

async function copySound(track: InputAudioTrack, output: Output): Promise<Copy> {
  const { EncodedAudioPacketSource, PCM_AUDIO_CODECS } = await loadMediabunny();
  const codec = (await track.getCodec()) as AudioCodec;
  const isPcm = (PCM_AUDIO_CODECS as readonly string[]).includes(codec);
  const source = new EncodedAudioPacketSource(codec);
  output.addAudioTrack(source);
  const config = await configOf(track);
  const start = await track.getFirstTimestamp();
  return {
    packets: packetsOf(track),
    // mediabunny fills gaps in PCM with silence, which a timestamp could make gigabytes of; other sounds keep their gaps.
    add: (packet) => source.add(isPcm ? packet.clone({ timestamp: start }) : packet, config),
  };
}

async function configOf<Config>(track: { getDecoderConfig(): Promise<Config | null> }) {
  const decoderConfig = await track.getDecoderConfig();
  return decoderConfig === null ? undefined : { decoderConfig };
}

/** Adds the packets of all tracks in the order of their timestamps, since each track is read to its end otherwise. */
async function addInOrder(copies: readonly Copy[]): Promise<void> {
  const waiting = await Promise.all(copies.map(async (copy) => ({ copy, next: await copy.packets.next() })));
  for (;;) {
    const open = waiting.flatMap((one) => (one.next.done ? [] : [{ one, packet: one.next.value }]));
    const [first] = open.sort((left, right) => left.packet.timestamp - right.packet.timestamp);
    if (first === undefined) return;
    await first.one.copy.add(first.packet);
    first.one.next = await first.one.copy.packets.next();
  }
}
