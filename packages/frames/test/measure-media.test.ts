import {
  type AudioCodec,
  EncodedAudioPacketSource,
  type EncodedPacket,
  EncodedVideoPacketSource,
  MkvOutputFormat,
  type OutputFormat,
  type VideoCodec,
} from 'mediabunny';
import { describe, expect, it } from 'vitest';
import { measureMedia } from '../src/measure-media.js';
import { oggChecksum } from '../src/ogg-checksum.js';
import { sampleCounter } from '../src/sound-samples.js';
import { clip, fileOf, hex, measured, storedMedia } from './media.js';

/** The number of samples of all channels, in thousands. */
async function thousandSamples(content: Buffer): Promise<number> {
  const { sound } = await measured(content);
  return Math.round(((sound?.seconds ?? 0) * (sound?.rate ?? 0) * (sound?.channels ?? 0)) / 1000);
}

/** A video of one second whose container states 16 × 16 pixels. */
async function videoOf(
  codec: VideoCodec,
  name: string,
  packets: readonly string[],
  description?: string,
  format?: OutputFormat,
) {
  const source = new EncodedVideoPacketSource(codec);
  const config = {
    codec: name,
    codedWidth: 16,
    codedHeight: 16,
    ...(description && { description: hex(description) }),
  };
  return fileOf(source, packets, config, (output) => output.addVideoTrack(source), format);
}

/** A sound whose container states a duration of a few milliseconds. */
async function soundOf(codec: AudioCodec, name: string, packets: readonly string[], description: string) {
  const source = new EncodedAudioPacketSource(codec);
  const config = { codec: name, sampleRate: 48_000, numberOfChannels: 1, description: hex(description) };
  return fileOf(source, packets, config, (output) => output.addAudioTrack(source));
}

/** Converts binary digits to hexadecimal. */
const bits = (...text: readonly string[]) => {
  const all = text.join('').replaceAll(' ', '');
  return (all.match(/.{1,8}/g) ?? [])
    .map((byte) => Number.parseInt(byte.padEnd(8, '0'), 2).toString(16).padStart(2, '0'))
    .join('');
};
const binary = (value: number, length: number) => value.toString(2).padStart(length, '0');
const unit = (content: string) => (content.length / 2).toString(16).padStart(8, '0') + content;

it.each([
  ['clip.mp4', { picture: { width: 192, height: 128, frames: 24 } }],
  ['clip.webm', { picture: { width: 192, height: 128, frames: 24 } }],
  ['clip.mkv', { picture: { width: 192, height: 128, frames: 24 } }],
  ['tone.mp3', { sound: { seconds: expect.closeTo(1.1, 0), rate: 44_100, channels: 1 } }],
  ['tone.opus', { sound: { seconds: expect.closeTo(1.02, 2), rate: 48_000, channels: 1 } }],
])('measures the decoded size of %s', async (name, size) => {
  expect(await measured(await clip(name))).toEqual(size);
});

it('cannot measure a truncated video', async () => {
  const content = await clip('clip.mp4');
  await expect(measured(content.subarray(0, 200))).rejects.toThrow();
});

it('cannot measure a file that is deleted meanwhile', async () => {
  const media = {
    ...storedMedia(await clip('clip.mp4')),
    start: Buffer.alloc(0),
    frames: { open: async () => undefined },
  };
  await expect(measureMedia(media, 1)).rejects.toThrow('it is no longer there');
});

describe('a video', () => {
  const AVC_SMALL = '0164000affe100176764000aacd9442684000003000400000300c03c48965801000668ebe3cb22c0fdf8f800';
  const AVC_LARGE = '6764001eacd940a02fa1000003000100000300300f162d96';
  const AVC_LARGE_CONFIG = `0164001effe10018${AVC_LARGE}01000668ebe3cb22c0fdf8f800`;
  const HEVC_LARGE = '42010101600000030090000003000003003fa00502017165959a4932b9a02000000300200000030301';
  const hevcConfig = (sps: string) =>
    `0101600000009000000000003ff000fcfdf8f800000f01210001${(sps.length / 2).toString(16).padStart(4, '0')}${sps}`;
  const HEVC_SMALL = '42010101600000030090000003000003001ea020810596566924cae680800000030080000000c042';
  const VP8_SMALL = 'f002009d012a40004000';
  const VP8_LARGE = '5033009d012a80027001';
  const VP9_SMALL = '824983420003f003f60038241c184a000030600000673fffff564564eecc00';
  const VP9_LARGE = '824983420027f016f60038241c184a10005061f63af6805cd1ee0000000000';
  const VP9_OWN = bits('10 00 0 1 1 0 00', '0'.repeat(8 + 12 + 3), binary(639, 16), binary(367, 16));
  const AV1_SMALL = '0a0a00000002afff9b5f2008320e1000c00000028000000a05776480';
  const AV1_SEQUENCE = '0a0b0000000cc4ff6f36be4010';
  const AV1_LARGE = `${AV1_SEQUENCE}32021000`;
  const PRORES = `0000009469637066${'00'.repeat(8)}02800170${'00'.repeat(20)}`;

  it.each<[string, VideoCodec, string, string[], string?]>([
    ['H.264', 'avc', 'avc1.64001e', [unit('65aa')], AVC_LARGE_CONFIG],
    ['H.264 that changes its size', 'avc', 'avc1.64000a', [unit('65aa'), unit(AVC_LARGE) + unit('65aa')], AVC_SMALL],
    ['HEVC', 'hevc', 'hev1.1.6.L63.90', [unit('2801af')], hevcConfig(HEVC_LARGE)],
    [
      'HEVC that changes its size',
      'hevc',
      'hev1.1.6.L30.90',
      [unit('2801af'), unit(HEVC_LARGE)],
      hevcConfig(HEVC_SMALL),
    ],
    ['VP8', 'vp8', 'vp8', [VP8_LARGE]],
    ['VP8 that changes its size', 'vp8', 'vp8', [VP8_SMALL, VP8_LARGE]],
    ['VP9', 'vp9', 'vp09.00.10.08', [VP9_LARGE]],
    ['VP9 that changes its size', 'vp9', 'vp09.00.10.08', [VP9_SMALL, VP9_LARGE]],
    ['VP9 that changes its size without a keyframe', 'vp9', 'vp09.00.10.08', [VP9_SMALL, VP9_OWN]],
    ['AV1', 'av1', 'av01.0.00M.08', [AV1_LARGE]],
    ['AV1 that changes its size', 'av1', 'av01.0.00M.08', [AV1_SMALL, AV1_LARGE]],
    ['ProRes', 'prores', 'apch', [PRORES]],
  ])(
    'takes the size of %s from the frames, not from the container',
    async (_what, codec, name, packets, description) => {
      const file = await videoOf(codec, name, packets, description);
      expect(await measured(file)).toEqual({ picture: { width: 640, height: 368, frames: packets.length } });
    },
  );

  it('assumes the largest size that AV1 can state if a frame has its own size', async () => {
    const file = await videoOf('av1', 'av01.0.00M.08', [AV1_LARGE, `3202${bits('0 01 1 0 0 0 1')}00`]);
    expect(await measured(file)).toEqual({ picture: { width: 1024, height: 512, frames: 2 } });
  });

  it.each<[string, VideoCodec, string, string[]]>([
    ['VP9', 'vp9', 'vp09.00.10.08', [VP9_SMALL, '8888c10101c1']],
    ['AV1', 'av1', 'av01.0.00M.08', [AV1_SMALL, '1a01801a0180']],
  ])('counts all frames that a packet of %s shows', async (_what, codec, name, packets) => {
    expect(await measured(await videoOf(codec, name, packets))).toMatchObject({ picture: { frames: 3 } });
  });

  it.each<[string, VideoCodec, string, string[], string, string?]>([
    ['with a broken unit', 'avc', 'avc1.64000a', [`${unit('65aa')}0000ffff65`], 'longer than its packet', AVC_SMALL],
    [
      'whose parameter set has an emulation prevention byte before the size',
      'avc',
      'avc1.64000a',
      [unit('67000003fb80')],
      'can be read in two ways',
      AVC_SMALL,
    ],
    ['with redundant frame headers', 'av1', 'av01.0.00M.08', [`${AV1_SMALL}3a0180`], 'redundant frame header'],
    [
      'with a packet that ffmpeg takes for a configuration',
      'avc',
      'avc1.64000a',
      [`0164000aff${'00'.repeat(20)}`],
      'a unit of 16 MiB or more',
      AVC_SMALL,
    ],
    ['with too many units', 'avc', 'avc1.64000a', ['00000000'.repeat(501)], 'packet with too many units', AVC_SMALL],
    [
      'with short lengths',
      'avc',
      'avc1.64000a',
      ['0265aa'],
      'do not have four bytes',
      AVC_SMALL.replace('0aff', '0afc'),
    ],
    [
      'whose frames come before the header that states their size',
      'av1',
      'av01.0.00M.08',
      ['32021000'],
      'frame before the header that states its size',
    ],
  ])('cannot measure a video %s', async (_what, codec, name, packets, reason, description) => {
    const file = await videoOf(codec, name, packets, description);
    await expect(measured(file)).rejects.toThrow(reason);
  });

  it('has ProRes of Matroska copied into QuickTime, since ffmpeg changes its packets in Matroska', async () => {
    const file = await videoOf('prores', 'apch', [PRORES], undefined, new MkvOutputFormat());
    expect(await measureMedia(storedMedia(file), 1)).toMatchObject({ container: 'mov', picture: { frames: 1 } });
  });

  it('cannot measure a video of PNG pictures, whose sizes can differ from the stated size', async () => {
    const content = await clip('clip.mp4');
    content.write('png ', content.indexOf('avc1', content.indexOf('stsd')), 'latin1');
    await expect(measured(content)).rejects.toThrow('it has a video in an unknown codec');
  });

  it('counts the frames even if the stated duration is wrong, up to the limit', async () => {
    const content = await clip('clip.mp4');
    // The duration in the media header.
    const header = content.indexOf('mdhd');
    content.writeUInt32BE(1, header + 20);
    expect(await measured(content)).toMatchObject({ picture: { frames: 24 } });
    await expect(measured(content, 23)).rejects.toThrow('too many frames');
  });
});

/** The header of an Opus in two channels. */
const OPUS = '4f707573486561640102000080bb0000000000';

describe('a sound', () => {
  function wave(dataBytes: number) {
    const header = Buffer.alloc(44);
    header.write('RIFF', 0);
    header.writeUInt32LE(0xffff_fff0, 4);
    header.write('WAVEfmt ', 8);
    header.writeUInt32LE(16, 16);
    header.writeUInt16LE(1, 20);
    header.writeUInt16LE(2, 22);
    header.writeUInt32LE(48_000, 24);
    header.writeUInt32LE(192_000, 28);
    header.writeUInt16LE(4, 32);
    header.writeUInt16LE(16, 34);
    header.write('data', 36);
    header.writeUInt32LE(dataBytes, 40);
    return Buffer.concat([header, Buffer.alloc(192_000)]);
  }
  it.each([
    [4, 2],
    [0xffff_ff00, 96_000],
  ])('counts the samples of a WAV that states %i bytes, as far as they are there', async (dataBytes, samples) => {
    const { sound } = await measured(wave(dataBytes));
    expect(sound).toEqual({ rate: 48_000, channels: 2, seconds: expect.closeTo(samples / 96_000, 6) });
  });

  it('refuses unusual sample rates, from which to resample would take gigabytes', async () => {
    const file = wave(192_000);
    file.writeUInt32LE(47_999, 24);
    await expect(measured(file)).rejects.toThrow('an unusual sample rate (47999)');
    // The frame states 11,999 Hz.
    expect(() => sampleCounter('flac', undefined)(hex('fff81d08002edf29'))).toThrow('(11999)');
    // The configuration has a number instead of one of the usual rates.
    const aac = await soundOf('aac', 'mp4a.40.2', ['01232000'.repeat(10)], '1188');
    aac.write('1788', aac.indexOf('1188', aac.indexOf('esds'), 'hex'), 'hex');
    await expect(measured(aac)).rejects.toThrow('an unusual sample rate');
  });

  it('counts the frames of a FLAC by their headers, even if a header is split between packets', () => {
    const count = sampleCounter('flac', undefined);
    // Each frame has 16,384 samples in each of two channels.
    const frame = `fff8e3180006${'00'.repeat(40)}`;
    expect([frame, frame + frame, frame.slice(0, 8), frame.slice(8)].map((packet) => count(hex(packet)))).toEqual(
      [1, 2, 0, 1].map((frames) => frames * 2 * 16_384),
    );
  });

  it('counts the frames of an MP3 whose header states one frame', async () => {
    const content = await clip('tone.mp3');
    const honest = await thousandSamples(content);
    const header = Math.max(content.indexOf('Xing'), content.indexOf('Info'));
    content.writeUInt32BE(1, header + 8);
    expect(await thousandSamples(content)).toBe(honest);
    expect(honest).toBeGreaterThanOrEqual(44);
  });

  it('refuses a file whose packets overlap, since a copy of them would be larger than the file', async () => {
    const sources = [new EncodedAudioPacketSource('opus'), new EncodedAudioPacketSource('opus')];
    const decoderConfig = { codec: 'opus', sampleRate: 48_000, numberOfChannels: 1, description: hex(OPUS) };
    const both = {
      add: async (packet: EncodedPacket) => {
        for (const source of sources) await source.add(packet, { decoderConfig });
      },
    };
    const packet = `1a${'00'.repeat(5000)}`;
    const file = await fileOf(both, [packet], decoderConfig, (output) => {
      for (const source of sources) output.addAudioTrack(source);
    });
    expect(await measured(file)).toHaveProperty('sound');
    // Each sound has the packets of both.
    for (const find of ['indexOf', 'lastIndexOf'] as const) {
      file.writeUInt32BE(packet.length, file[find]('stsz') + 8);
      file.writeUInt32BE(file.indexOf(packet, 'hex'), file[find]('stco') + 12);
    }
    await expect(measured(file)).rejects.toThrow('has packets that overlap');
  });

  it('refuses a sound with more channels than PyAV can read', async () => {
    const seven = wave(192_000);
    seven.writeUInt16LE(7, 22);
    expect(await measured(seven)).toMatchObject({ sound: { channels: 7 } });
    seven.writeUInt16LE(8, 22);
    await expect(measured(seven)).rejects.toThrow('more than 7 channels');
    // The container states one channel in each.
    const opus = OPUS.replace('48656164010200', '48656164010800');
    await expect(measured(await soundOf('opus', 'opus', ['1a0000'], opus))).rejects.toThrow('more than 7 channels');
    for (const configuration of ['1180', '11b8', '11e0'])
      expect(() => sampleCounter('mp4a.40.2', hex(configuration))).toThrow('more than 7 channels');
    expect(() => sampleCounter('flac', undefined)(hex('fff81a7800a50000'))).toThrow('more than 7 channels');
    const vorbis = hex(`01${Buffer.from('vorbis').toString('hex')}0000000008`);
    expect(() => sampleCounter('vorbis', vorbis)).toThrow('more than 7 channels');
  });

  it('counts the packets of an Opus even if their timestamps are wrong', async () => {
    // Each packet has two frames of 60 ms.
    const packets = Array.from({ length: 100 }, () => '1a0000');
    const file = await soundOf('opus', 'opus', packets, OPUS);
    expect(await thousandSamples(file)).toBe((100 * 120 * 48 * 2) / 1000);
  });

  it('counts the packets of an Ogg even if the positions of its pages are wrong', async () => {
    const content = await clip('tone.opus');
    const honest = await measured(content);
    const page = content.subarray(content.lastIndexOf('OggS'));
    page.writeBigInt64LE(480n, 6);
    page.writeUInt32LE(oggChecksum(page), 22);
    expect(await measured(content)).toEqual(honest);
  });

  it('counts the most samples that the bytes of AAC can contain, since a packet can have many frames', async () => {
    const file = await soundOf('aac', 'mp4a.40.2', ['01232000'.repeat(1000)], '1188');
    // ffmpeg makes so many samples with parametric stereo.
    expect(await thousandSamples(file)).toBe((1000 * 4 * 1024) / 1000);
  });

  it('cannot measure other codecs, even in a file whose container states AAC', async () => {
    const aac = await soundOf('aac', 'mp4a.40.2', ['00'], '11880000');
    // The object type of MPEG-4 ALS.
    aac.write('f8880000', aac.indexOf('11880000', 0, 'hex'), 'hex');
    await expect(measured(aac)).rejects.toThrow('mp4a.40.36 cannot be measured');
    const opus = await soundOf('opus', 'opus', ['1a0000'], OPUS);
    opus.write('ac-3', opus.indexOf('Opus', opus.indexOf('stsd')), 'latin1');
    await expect(measured(opus)).rejects.toThrow('cannot be measured');
  });
});

it.each([0, 90, 180, 270] as const)(
  'reports the longest side of a video that is rotated by %i degrees if readers may swap its sides',
  async (rotation) => {
    const source = new EncodedVideoPacketSource('vp8');
    const file = await fileOf(
      source,
      ['f002009d012a40002000'],
      { codec: 'vp8', codedWidth: 64, codedHeight: 32 },
      (output) => output.addVideoTrack(source, { rotation }),
    );
    const longest = rotation % 180 === 0 ? {} : { longest: 64 };
    expect(await measured(file)).toEqual({ picture: { width: 64, height: 32, frames: 1, ...longest } });
  },
);
