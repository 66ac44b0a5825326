import { buffer } from 'node:stream/consumers';
import {
  BufferTarget,
  EncodedAudioPacketSource,
  EncodedPacket,
  EncodedVideoPacketSource,
  MkvOutputFormat,
  Mp4OutputFormat,
  Output,
  type VideoTrackMetadata,
} from 'mediabunny';
import { expect, it } from 'vitest';
import { MediaFault } from '../src/hidden-media.js';
import { measureMedia } from '../src/measure-media.js';
import { openWhole, packetsOf } from '../src/packets.js';
import { rewriteMedia } from '../src/rewrite-media.js';
import { clip, hex, storedMedia } from './media.js';

async function rewritten(content: Buffer): Promise<Buffer> {
  const media = storedMedia(content);
  const { container } = await measureMedia(media, 1000);
  return buffer(rewriteMedia(media, container));
}

/** What a player gets of each track: the codec, how the picture is turned, and the packets with their times in ms. */
async function tracksOf(content: Buffer) {
  const input = await openWhole(storedMedia(content));
  const tracks = [...(await input.getVideoTracks()), ...(await input.getAudioTracks())];
  return Promise.all(
    tracks.map(async (track) => {
      const packets: [ms: number, data: string][] = [];
      for await (const { timestamp, data } of packetsOf(track))
        packets.push([Math.round(timestamp * 1000), Buffer.from(data).toString('base64')]);
      const turned = track.isVideoTrack() ? [await track.getRotation(), await track.getFlip()] : [];
      return { codec: await track.getCodec(), turned, packets };
    }),
  );
}

/** A frame of VP9. */
const FRAME = hex('824983420003f003f60038241c184a000030600000673fffff564564eecc00');

/** An MP4 with a frame at each time, in seconds. */
async function videoAt(times: readonly number[], metadata: VideoTrackMetadata = {}, frame = FRAME): Promise<Buffer> {
  const output = new Output({ format: new Mp4OutputFormat(), target: new BufferTarget() });
  const source = new EncodedVideoPacketSource('vp9');
  output.addVideoTrack(source, metadata);
  output.setMetadataTags({ comment: 'a comment' });
  await output.start();
  const decoderConfig = { codec: 'vp09.00.10.08', codedWidth: 64, codedHeight: 64 };
  for (const time of times) await source.add(new EncodedPacket(frame, 'key', time, 0.04), { decoderConfig });
  await output.finalize();
  return Buffer.from(output.target.buffer as ArrayBuffer);
}

it.each(['clip.mp4', 'clip.mkv', 'clip.webm', 'tone.mp3', 'tone.opus'])(
  'keeps all packets of %s, and their times',
  async (name) => {
    const content = await clip(name);
    const copy = await rewritten(content);
    expect(await tracksOf(copy)).toEqual(await tracksOf(content));
    expect(await measureMedia(storedMedia(copy), 1000)).toEqual(await measureMedia(storedMedia(content), 1000));
  },
);

it('keeps how a video is turned, and what comes before its start', async () => {
  const content = await videoAt([-0.08, -0.04, 0, 0.04], { rotation: 90, flip: true });
  const [track] = await tracksOf(await rewritten(content));
  expect(track).toMatchObject({
    turned: [90, true],
    packets: [[-80], [-40], [0], [40]].map((time) => [...time, expect.any(String)]),
  });
});

it('leaves out all but the packets', async () => {
  const video = await videoAt([0, 0.04]);
  const handler = hex(`00000020 68646c72 00000000 00000000 76696465 ${'00'.repeat(12)}`.replaceAll(' ', ''));
  expect(video.includes('a comment')).toBe(true);
  const copy = await rewritten(Buffer.concat([video, handler]));
  expect(copy.includes('a comment')).toBe(false);
  expect(copy.toString('latin1').split('hdlr')).toHaveLength(
    (await rewritten(video)).toString('latin1').split('hdlr').length,
  );

  const tag = Buffer.concat([hex('494433040000000001 00'.replaceAll(' ', '')), Buffer.alloc(128, 'cover')]);
  expect((await rewritten(Buffer.concat([tag, await clip('tone.mp3')]))).includes('cover')).toBe(false);
  const opus = await clip('tone.opus');
  expect(await tracksOf(await rewritten(Buffer.concat([opus, Buffer.alloc(9), opus])))).toHaveLength(1);
});

it('copies of several tracks only those that ComfyUI reads: the first video, and the first and the last sound', async () => {
  const output = new Output({ format: new MkvOutputFormat(), target: new BufferTarget() });
  const videos = [1, 2].map(() => new EncodedVideoPacketSource('vp9'));
  const sounds = [1, 2, 3].map(() => new EncodedAudioPacketSource('pcm-u8'));
  for (const source of videos) output.addVideoTrack(source);
  for (const source of sounds) output.addAudioTrack(source);
  await output.start();
  const video = { codec: 'vp09.00.10.08', codedWidth: 64, codedHeight: 64 };
  for (const source of videos) await source.add(new EncodedPacket(FRAME, 'key', 0, 0.04), { decoderConfig: video });
  const sound = { codec: 'pcm-u8', sampleRate: 48_000, numberOfChannels: 1 };
  for (const [n, source] of sounds.entries())
    await source.add(new EncodedPacket(Buffer.from([n]), 'key', 0, 1 / 48_000), { decoderConfig: sound });
  await output.finalize();
  const copy = await rewritten(Buffer.from(output.target.buffer as ArrayBuffer));
  const inOrder = await (await openWhole(storedMedia(copy))).getTracks();
  expect(inOrder.map(({ type }) => type)).toEqual(['video', 'audio', 'audio']);
  const tracks = await tracksOf(copy);
  const base64 = [FRAME, Buffer.from([0]), Buffer.from([2])].map((packet) => packet.toString('base64'));
  expect(tracks.map(({ packets }) => packets)).toEqual(base64.map((packet) => [[0, packet]]));
});

it('does not fill a gap in PCM with silence, which would take gigabytes', async () => {
  const output = new Output({ format: new MkvOutputFormat(), target: new BufferTarget() });
  const source = new EncodedAudioPacketSource('pcm-s16');
  output.addAudioTrack(source);
  await output.start();
  const decoderConfig = { codec: 'pcm-s16', sampleRate: 48_000, numberOfChannels: 1 };
  for (const time of [0, 30_000])
    await source.add(new EncodedPacket(Buffer.alloc(960, time), 'key', time, 0.01), { decoderConfig });
  await output.finalize();
  const copy = await rewritten(Buffer.from(output.target.buffer as ArrayBuffer));
  expect(copy.length).toBeLessThan(3000);
});

it('throws if the file is deleted meanwhile', async () => {
  const media = { ...storedMedia(await clip('clip.mp4')), start: Buffer.alloc(0) };
  const gone = { ...media, frames: { open: async () => undefined } };
  await expect(buffer(rewriteMedia(gone, 'mov'))).rejects.toThrow('it is no longer there');
});

it.each([
  ['clip.mp4', 'ftypqt'],
  ['clip.mkv', 'matroska'],
  ['clip.webm', 'matroska'],
  ['tone.mp3', 'ftypqt'],
  ['tone.opus', 'ftypqt'],
])('writes %s into a file that begins with %s', async (name, mark) => {
  expect((await rewritten(await clip(name))).toString('latin1', 0, 50)).toContain(mark);
});

it.each(['mkv', 'mov'] as const)(
  'refuses packets that ffmpeg would take for another medium in %s',
  async (container) => {
    const frame = Buffer.concat([FRAME, hex('4e4d7a561f5f04ad')]);
    const media = storedMedia(await videoAt([0], {}, frame));
    await expect(buffer(rewriteMedia(media, container))).rejects.toThrow(MediaFault);
  },
);

it('ends when nobody wants the rest', async () => {
  const media = storedMedia(await clip('clip.mp4'));
  for await (const _part of rewriteMedia(media, 'mov')) break;
});
