import { Transform, Writable } from 'node:stream';
import type {
  AudioCodec,
  EncodedPacket,
  InputAudioTrack,
  InputVideoTrack,
  Output,
  StreamTargetChunk,
  VideoCodec,
} from 'mediabunny';
import { refuseHiddenMedia } from './hidden-media.js';
import { loadMediabunny, type StoredMedia } from './media-facts.js';
import { openWhole, packetsOf, usedTracks } from './packets.js';

/**
 * The container of a copy, which is also its extension: Matroska stays Matroska, since ComfyUI converts it when it saves an MP4,
 * and all else becomes QuickTime, which holds all codecs that can be measured.
 */
export type Container = (typeof CONTAINERS)[number];

export const CONTAINERS = ['mkv', 'mov'] as const;

/** ffmpeg chooses a format by the first 2048 bytes if these are clear. */
const PROBED_BYTES = 2048;

/**
 * Writes the packets of a measured video or sound into a new file, so that ffmpeg finds nothing in it but what was measured.
 * Leaves out further videos and sounds, subtitles, covers and other metadata. Throws for packets that the container cannot
 * hold, and MediaFault if ffmpeg would take the result for another medium.
 */
export async function* rewriteMedia(media: StoredMedia, container: Container): AsyncGenerator<Buffer> {
  const changes = await changesOf(media, container);
  let [at, changed, start] = [0, 0, Buffer.alloc(0)];
  const file = new Transform({
    writableObjectMode: true,
    transform({ data, position }: StreamTargetChunk, _encoding, done) {
      if (position < at) return done(); // one of the changes, which are made as soon as their place is written
      try {
        const bytes = Buffer.from(data);
        at += bytes.length;
        for (let next = changes[changed]; next !== undefined && next.position < at; next = changes[changed]) {
          bytes.set(next.data, next.position - position);
          changed += 1;
        }
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
  const writing = copyTo(Writable.toWeb(file), media, container).catch((error: Error) => file.destroy(error));
  try {
    yield* file;
  } finally {
    file.destroy();
    await writing;
  }
}

/**
 * What mediabunny changes in a file after it has written more, such as lengths, in the order of the file. A stream cannot go
 * back, so the file is written once for this, and once with the changes.
 */
async function changesOf(media: StoredMedia, container: Container): Promise<readonly StreamTargetChunk[]> {
  const changes: StreamTargetChunk[] = [];
  let end = 0;
  const write = (chunk: StreamTargetChunk) => {
    if (chunk.position < end) changes.push(chunk);
    end = Math.max(end, chunk.position + chunk.data.length);
  };
  await copyTo(new WritableStream({ write }), media, container);
  return changes.sort((one, other) => one.position - other.position);
}

async function copyTo(
  target: WritableStream<StreamTargetChunk>,
  media: StoredMedia,
  container: Container,
): Promise<void> {
  const { MkvOutputFormat, MovOutputFormat, Output, StreamTarget } = await loadMediabunny();
  const input = await openWhole(media);
  try {
    const format = container === 'mkv' ? new MkvOutputFormat() : new MovOutputFormat({ fastStart: false });
    const output = new Output({ format, target: new StreamTarget(target) });
    const { videos, sounds } = await usedTracks(input);
    // One after the other: both times the tracks must be added in the same order.
    const copies: Copy[] = [];
    for (const track of videos) copies.push(await copyVideo(track, output));
    for (const track of sounds) copies.push(await copySound(track, output));
    await output.start();
    await addInOrder(copies);
    await output.finalize();
  } finally {
    input.dispose();
  }
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

/** Adds the packets of all tracks in the order of their timestamps, so that mediabunny need not keep them. */
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
