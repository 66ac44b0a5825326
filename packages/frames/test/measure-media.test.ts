import {
  type AudioCodec,
  EncodedAudioPacketSource,
  type EncodedPacket,
  EncodedVideoPacketSource,
  MkvOutputFormat,
  Mp4OutputFormat,
  type OutputFormat,
  type VideoCodec,
  type VideoTrackMetadata,
} from 'mediabunny';
import { describe, expect, it } from 'vitest';
import { MediaFault } from '../src/hidden-media.js';
import { oggChecksum } from '../src/hidden-tracks.js';
import { measureMedia } from '../src/measure-media.js';
import { clip, fileOf, hex, measured, mp3, mp3Frame, signal } from './media.js';

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

it.each([
  ['clip.webm', 1_000_000, 'ec80'],
  ['clip.mp4', 30_000, '0000000866726565'],
])(
  'cannot measure %s with more elements than a recording has',
  async (name, length, element) => {
    const elements = hex(element.repeat(length));
    await expect(measured(Buffer.concat([await clip(name), elements]))).rejects.toThrow('it has too many elements');
  },
  30_000,
);

it('cannot measure a truncated video', async () => {
  const content = await clip('clip.mp4');
  await expect(measured(content.subarray(0, 200))).rejects.toThrow();
});

it('cannot measure a file that is deleted meanwhile', async () => {
  const content = await clip('tone.mp3');
  const media = { name: 'x', bytes: content.length, start: content, frames: { open: async () => undefined }, signal };
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

  it.each([0, 1])(
    'cannot measure a video whose edit list (version %i) repeats it, but measures one that only starts late',
    async (version) => {
      const content = await clip('clip.mp4');
      const list = (...times: readonly number[]) => {
        const entry = (time: number) => Buffer.alloc(version === 1 ? 20 : 12, time === -1 ? 0xff : 0);
        const body = Buffer.concat([Buffer.from([version, 0, 0, 0, 0, 0, 0, times.length]), ...times.map(entry)]);
        const size = Buffer.alloc(4);
        size.writeUInt32BE(body.length + 8);
        return Buffer.concat([content, size, Buffer.from('elst'), body]);
      };
      expect(await measured(list(-1, 0))).toMatchObject({ picture: { frames: 24 } });
      await expect(measured(list(0, 0))).rejects.toThrow('an edit list with several entries');
      await expect(measured(list(-1, 0, 0))).rejects.toThrow('an edit list with several entries');
    },
  );

  /** A file with two videos. */
  async function twoVideos(packets: readonly string[], second: VideoTrackMetadata = {}) {
    const [source, other] = [new EncodedVideoPacketSource('vp8'), new EncodedVideoPacketSource('vp8')];
    const decoderConfig = { codec: 'vp8', codedWidth: 16, codedHeight: 16 };
    const both = {
      add: async (packet: EncodedPacket) => {
        for (const one of [source, other]) await one.add(packet, { decoderConfig });
      },
    };
    return fileOf(both, packets, decoderConfig, (output) => {
      output.addVideoTrack(source);
      output.addVideoTrack(other, second);
    });
  }

  it('cannot measure an MP4 with a handler that only ffmpeg sees', async () => {
    const handler = hex(`00000020 68646c72 00000000 00000000 76696465 ${'00'.repeat(12)}`.replaceAll(' ', ''));
    const content = Buffer.concat([await clip('clip.mp4'), handler]);
    await expect(measured(content)).rejects.toThrow('it has tracks that cannot be measured');
  });

  it('cannot measure a Matroska with a disabled track, which ffmpeg plays', async () => {
    const file = await twoVideos(
      Array.from({ length: 10 }, () => VP8_SMALL),
      { disposition: { default: false } },
    );
    expect(await measured(file)).toMatchObject({ picture: { frames: 10 } });
    file.write('b9', file.lastIndexOf('888100', 'hex'), 'hex');
    await expect(measured(file)).rejects.toThrow('it has tracks that cannot be measured');
  });

  describe('in a live Matroska', () => {
    const live = () =>
      videoOf('vp8', 'vp8', [VP8_SMALL, VP8_SMALL], undefined, new MkvOutputFormat({ appendOnly: true }));

    it.each([
      ['another segment', '18538067 80'],
      ['a block that is longer than its cluster', '1f43b675 85 e78100 a390'],
      ['a cluster in a group of blocks', '1f43b675 8a e78100 a085 1f43b67580'],
      ['two blocks in a group', '1f43b675 91 e78100 a08c a184 81000080 a184 81000080'],
      ['an unknown element', '1f43b675 85 e78100 fb80'],
      ['tracks of unknown size', '1654ae6b ff'],
      ['a cluster in an empty element', 'ec 8e 1f43b675 89 e78100 a384 81000080'],
      ['a cluster in a block', '1f43b675 97 e78100 a392 8100008031 1f43b675 88 bf80 a084 a182 8180'],
      ['a file attached in an empty element', 'ec 8a 1941a469 85 ec80 61a780'],
      ['a track in an empty element', 'ec 87 1654ae6b 82 ae80'],
    ])('cannot be measured with %s, where ffmpeg may look for other frames', async (_what, elements) => {
      const content = Buffer.concat([await live(), hex(elements.replaceAll(' ', ''))]);
      await expect(measured(content)).rejects.toThrow('it has an element at an unusual place');
    });

    it.each([
      ['another cluster', '1f43b675 8d e78100 a388 81000080 31020100'],
      ['a cluster of unknown size', '1f43b675 ff e78100 a388 81000080 31020100'],
      ['a frame that has the id of a cluster', '1f43b675 92 e78100 a38d 81000080 31 1f43b675 a312 0000'],
    ])('can be measured with %s', async (_what, elements) => {
      const content = Buffer.concat([await live(), hex(elements.replaceAll(' ', ''))]);
      expect(await measured(content)).toMatchObject({ picture: { frames: 3 } });
    });
  });

  it.each([
    'stsd',
    'stts',
    'stsz',
    'stco',
    'avcC',
    'esds',
    'glbl',
    'cmov',
    'sidx',
    'stz2',
    'moov',
    'trak',
    'moof',
    'tfhd',
    'trun',
  ])('cannot measure an MP4 with a second box %s, which ffmpeg would read wherever it is', async (name) => {
    const box = Buffer.concat([
      hex('00000020'),
      Buffer.from('udta'),
      hex('00000018'),
      Buffer.from(name),
      Buffer.alloc(16),
    ]);
    await expect(measured(Buffer.concat([await clip('clip.mp4'), box]))).rejects.toThrow('at an unusual place');
  });

  it('refuses an MP4 whose packets overlap, since a copy of them would be larger than the file', async () => {
    const packet = VP8_LARGE + '00'.repeat(5000);
    const file = await twoVideos([packet]);
    expect(await measured(file)).toMatchObject({ picture: { frames: 1 } });
    // Each video has the packets of both.
    for (const find of ['indexOf', 'lastIndexOf'] as const) {
      file.writeUInt32BE(packet.length, file[find]('stsz') + 8);
      file.writeUInt32BE(file.indexOf(packet, 'hex'), file[find]('stco') + 12);
    }
    await expect(measured(file)).rejects.toThrow('has packets that overlap');
    file.write('meta', file.lastIndexOf('vide'));
    file.write('tx3g', file.lastIndexOf('vp08'));
    await expect(measured(file)).rejects.toThrow('has packets that overlap');
  });

  it('cannot measure an MP4 with more subtitles than ffmpeg should keep entries for', async () => {
    const file = await twoVideos([VP8_SMALL]);
    file.write('meta', file.lastIndexOf('vide'));
    file.write('tx3g', file.lastIndexOf('vp08'));
    const sizes = file.lastIndexOf('stsz');
    file.writeUInt32BE(1, sizes + 8);
    file.writeUInt32BE(20_000_000, sizes + 12);
    await expect(measured(file)).rejects.toThrow('its index is too long');
  });

  it('refuses a Matroska with a compressed track, which a copy would unpack', async () => {
    const file = await videoOf(
      'vp8',
      'vp8',
      Array.from({ length: 10 }, () => VP8_SMALL),
    );
    file.write('6d80', file.indexOf('73c5', 'hex'), 'hex');
    await expect(measured(file)).rejects.toThrow('has a track that is compressed');
  });

  it('measures a video that has the names of boxes in its metadata', async () => {
    const source = new EncodedVideoPacketSource('vp8');
    const config = { codec: 'vp8', codedWidth: 16, codedHeight: 16 };
    const file = await fileOf(source, [VP8_LARGE], config, (output) => {
      output.addVideoTrack(source);
      output.setMetadataTags({ comment: 'attraktiv', raw: { '\xa9lyr': 'a moov, a moof and an esds' } });
    });
    expect(file.includes('attraktiv') && file.includes('esds')).toBe(true);
    expect(await measured(file)).toEqual({ picture: { width: 640, height: 368, frames: 1 } });
  });

  it('cannot measure a video with the set-up of another codec, which ffmpeg would use', async () => {
    const file = await videoOf('vp9', 'vp09.00.10.08', [VP9_SMALL]);
    file.write('esds', file.indexOf('vpcC'));
    await expect(measured(file)).rejects.toThrow('a box esds at an unusual place');
  });

  it.each([
    ['fewer times than sizes', 'stts', (table: Buffer) => table.writeUInt32BE(1, 12)],
    ['chunks in another order', 'stsc', (table: Buffer) => table.writeUInt32BE(2, 12)],
  ])('cannot measure a video whose index has %s', async (_what, name, change) => {
    const content = await clip('clip.mp4');
    change(content.subarray(content.indexOf(name)));
    await expect(measured(content)).rejects.toThrow('its index contradicts itself');
  });

  it.each([
    ['of camera data', 'mebx', true],
    ['that ffmpeg takes for a video', 'png ', false],
  ])('measures a video beside a track %s: %s, %s', async (_what, format, isMeasured) => {
    const file = await twoVideos([VP8_LARGE]);
    file.write('meta', file.lastIndexOf('vide'));
    file.write(format, file.lastIndexOf('vp08'));
    const size = measured(file);
    if (isMeasured) expect(await size).toEqual({ picture: { width: 640, height: 368, frames: 1 } });
    else await expect(size).rejects.toThrow('tracks that cannot be measured');
  });

  it('measures fragments, if they say where their packets are and the index before them has none', async () => {
    const format = new Mp4OutputFormat({ fastStart: 'fragmented' });
    const file = await videoOf('vp8', 'vp8', [VP8_LARGE, VP8_SMALL], undefined, format);
    expect(await measured(file)).toEqual({ picture: { width: 640, height: 368, frames: 2 } });
    const flags = file.indexOf('trun') + 7;
    const indexed = Buffer.from(file);
    indexed.writeUInt32BE(1, file.indexOf('stsz') + 12);
    file[flags] = 0xfe & (file[flags] ?? 0);
    for (const one of [indexed, file]) await expect(measured(one)).rejects.toThrow('its index contradicts itself');
  });

  it('cannot measure a video with several sample descriptions', async () => {
    const content = await clip('clip.mp4');
    content.writeUInt32BE(2, content.indexOf('stsd') + 8);
    await expect(measured(content)).rejects.toThrow('several sample descriptions');
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
  it.each([4, 0xffff_ff00])('counts the bytes of a WAV that states %i', async (dataBytes) => {
    expect(await measured(wave(dataBytes))).toMatchObject({ sound: { rate: 48_000, channels: 2 } });
    const samples = await thousandSamples(wave(dataBytes));
    expect(samples).toBeGreaterThanOrEqual(96);
    expect(samples).toBeLessThanOrEqual(200);
  });

  it.each([0x00, 0x08])(
    'measures a WAV with a tag, unless the tag has a compressed frame (flags %i)',
    async (flags) => {
      const frame = Buffer.from(`TIT2\0\0\0\x0a\0${String.fromCharCode(flags)}\x03a song fo`, 'latin1');
      const tag = Buffer.concat([
        Buffer.from('id3 \x28\0\0\0ID3\x04\0\0\0\0\0\x1e', 'latin1'),
        frame,
        Buffer.alloc(20),
      ]);
      const file = measured(Buffer.concat([wave(192_000), tag]));
      if (flags === 0) expect(await file).toMatchObject({ sound: { rate: 48_000, channels: 2 } });
      else await expect(file).rejects.toThrow(MediaFault);
    },
  );

  it('refuses unusual sample rates, from which to resample would take gigabytes', async () => {
    const file = wave(192_000);
    file.writeUInt32LE(47_999, 24);
    await expect(measured(file)).rejects.toThrow('an unusual sample rate (47999)');
    const info = `10001000000000000000${'0bb80'}0f000000000${'00'.repeat(16)}`;
    // The frame states 11,999 Hz, its header 48,000.
    const frame = 'fff81d08002edf';
    const checked = [...Array(256).keys()].map((crc) =>
      hex(`664c614380000022${info}${frame}${crc.toString(16).padStart(2, '0')}${'00'.repeat(20)}`),
    );
    const outcomes = await Promise.allSettled(checked.map((content) => measured(content)));
    expect(outcomes.filter((one) => one.status === 'rejected' && /\(11999\)/.test(`${one.reason}`))).toHaveLength(1);
    // The configuration has a number instead of one of the usual rates.
    const aac = await soundOf('aac', 'mp4a.40.2', ['01232000'.repeat(10)], '1188');
    aac.write('1788', aac.indexOf('1188', aac.indexOf('esds'), 'hex'), 'hex');
    await expect(measured(aac)).rejects.toThrow('an unusual sample rate');
  });

  it('refuses a WAV with two formats, of which ffmpeg takes the first', async () => {
    const file = wave(192_000);
    await expect(measured(Buffer.concat([file.subarray(0, 36), file.subarray(12)]))).rejects.toThrow('several formats');
  });

  it('counts the frames of a FLAC even if the stated length is wrong', async () => {
    // The header states 48,000 samples; each frame has 16,384 in each of two channels.
    const info = `1000400000000e0000100bb8 0f0 00000bb80${'00'.repeat(16)}`.replaceAll(' ', '');
    const frames = [
      'fff8e3180006000000000000b284',
      ...Array.from({ length: 999 }, () => 'fff8e318010100000000000025f1'),
    ];
    const file = hex(`664c614380000022${info}${frames.join('')}`);
    expect(await thousandSamples(file)).toBe(Math.round((1000 * 16_384 * 2) / 1000));
  });

  it('counts the frames of an MP3 whose header states one frame', async () => {
    const content = await clip('tone.mp3');
    const honest = await thousandSamples(content);
    const header = Math.max(content.indexOf('Xing'), content.indexOf('Info'));
    content.writeUInt32BE(1, header + 8);
    expect(await thousandSamples(content)).toBe(honest);
    expect(honest).toBeGreaterThanOrEqual(44);
  });

  const NUT = Buffer.concat([Buffer.alloc(6000, ' '), hex('4e4d7a561f5f04ad'), Buffer.alloc(100)]);
  const APE = Buffer.concat([Buffer.from('APETAGEX'), Buffer.alloc(200)]);
  const tag = (bytes: number) => {
    const size = Buffer.from([bytes >> 21, (bytes >> 14) & 0x7f, (bytes >> 7) & 0x7f, bytes & 0x7f]);
    return Buffer.concat([Buffer.from('ID3\x04\0\0'), size, Buffer.alloc(bytes)]);
  };

  it.each([
    ['of two frames', mp3(2)],
    ['of two frames and tags', mp3(2, APE, Buffer.from('TAG'.padEnd(128, '\0')))],
    ['of two frames and a truncated one', mp3(2, mp3Frame.subarray(0, 50))],
    ['with zeros after its end', mp3(3, Buffer.alloc(500))],
    [
      'of half the sample rate',
      Buffer.concat(
        Array.from({ length: 20 }, () => hex('fff38064').toString('latin1').padEnd(208, 'x')).map((text) =>
          Buffer.from(text, 'latin1'),
        ),
      ),
    ],
    ['with a cover', Buffer.concat([tag(300_000), mp3(50)])],
    ['with two tags', Buffer.concat([tag(9000), tag(100), mp3(50)])],
    ['with other data between frames far from its start', mp3(30, Buffer.alloc(900, ' '), mp3(30))],
  ])('measures an MP3 %s', async (_what, file) => {
    expect(await measured(file)).toMatchObject({ sound: { channels: 2 } });
  });

  it.each([
    ['after its second frame', mp3(2, NUT)],
    ['after its seventh frame', mp3(7, NUT)],
    ['after a tag and its second frame', Buffer.concat([tag(7680), mp3(2, NUT)])],
    ['after zeros', mp3(2, Buffer.alloc(60_000), NUT)],
    ['in a long tag at its end', mp3(2, APE, Buffer.alloc(1000), NUT)],
  ])('refuses an MP3 with another medium %s, which ffmpeg would play instead', async (_what, file) => {
    await expect(measured(file)).rejects.toThrow(MediaFault);
  });

  it('refuses an MP3 with the signature of another medium in a frame that ffmpeg probes', async () => {
    // At 320 kbit/s, the sixth frame begins after the bytes that are probed in other files.
    const frame = Buffer.concat([hex('fffbe064'), Buffer.alloc(1040, 0x55)]);
    const file = Buffer.concat(Array.from({ length: 50 }, () => frame));
    expect(await measured(file)).toHaveProperty('sound');
    NUT.copy(file, 5 * frame.length + 10, 6000);
    await expect(measured(file)).rejects.toThrow(MediaFault);
    const tagged = Buffer.concat([tag(9000), tag(100), mp3(50), Buffer.alloc(90_000), NUT]);
    await expect(measured(tagged)).rejects.toThrow(MediaFault);
  });

  it('counts the packets of an Opus even if their timestamps are wrong', async () => {
    // Each packet has two frames of 60 ms.
    const packets = Array.from({ length: 100 }, () => '1a0000');
    const file = await soundOf('opus', 'opus', packets, '4f707573486561640102000080bb0000000000');
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

  it('cannot measure an Ogg with a second stream after the first one, or with other data', async () => {
    const content = await clip('tone.opus');
    await expect(measured(Buffer.concat([content, content]))).rejects.toThrow('it has packets of other streams');
    await expect(measured(Buffer.concat([content, Buffer.alloc(9)]))).rejects.toThrow('data outside its pages');
    const other = Buffer.from(content);
    for (let page = other.indexOf('OggS'); page !== -1; page = other.indexOf('OggS', page + 1)) {
      other.writeUInt32LE(7, page + 14);
      const end = other.indexOf('OggS', page + 1);
      const whole = other.subarray(page, end === -1 ? undefined : end);
      whole.writeUInt32LE(oggChecksum(whole), 22);
    }
    expect(await measured(other)).toHaveProperty('sound');
    await expect(measured(Buffer.concat([content, other]))).rejects.toThrow('it has packets of other streams');
  });

  it('cannot measure an Ogg with a damaged page, in which ffmpeg would look for other pages', async () => {
    const content = await clip('tone.opus');
    content[content.length - 1] = 1 ^ (content.at(-1) ?? 0);
    await expect(measured(content)).rejects.toThrow('a damaged page');
  });

  it('counts the most samples that the bytes of AAC can contain, since a packet can have many frames', async () => {
    const file = await soundOf('aac', 'mp4a.40.2', ['01232000'.repeat(1000)], '1188');
    // ffmpeg makes so many samples with parametric stereo.
    expect(await thousandSamples(file)).toBe((1000 * 4 * 1024) / 1000);
  });

  it('cannot measure a Matroska whose track has two set-ups', async () => {
    const packets = Array.from({ length: 10 }, () => '1a0000');
    const file = await soundOf('opus', 'opus', packets, '4f707573486561640102000080bb0000000000');
    // The number of the track.
    file.write('63a2', file.indexOf('73c5', 'hex'), 'hex');
    await expect(measured(file)).rejects.toThrow('at an unusual place');
  });

  it('cannot measure a sound of packets that last one tick, which ffmpeg reads by chunks', async () => {
    const aac = await soundOf('aac', 'mp4a.40.2', ['01232000'.repeat(10)], '1188');
    aac.writeUInt32BE(1, aac.indexOf('stts') + 16);
    await expect(measured(aac)).rejects.toThrow('its index contradicts itself');
  });

  it('cannot measure other codecs, even in a file whose container states AAC', async () => {
    const aac = await soundOf('aac', 'mp4a.40.2', ['00'], '11880000');
    // The object type of MPEG-4 ALS.
    aac.write('f8880000', aac.indexOf('11880000', 0, 'hex'), 'hex');
    await expect(measured(aac)).rejects.toThrow('mp4a.40.36 cannot be measured');
    const opus = await soundOf('opus', 'opus', ['1a0000'], '4f707573486561640102000080bb0000000000');
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
