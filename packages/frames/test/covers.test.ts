import { EncodedAudioPacketSource, EncodedVideoPacketSource, type Output } from 'mediabunny';
import { describe, expect, it } from 'vitest';
import { oggChecksum } from '../src/hidden-tracks.js';
import { clip, fileOf, hex, measured, mp3 } from './media.js';

const latin1 = (text: string) => Buffer.from(text, 'latin1');
const number = (value: number, bytes: number) => {
  const content = Buffer.alloc(bytes);
  content.writeUIntBE(value, 0, bytes);
  return content;
};
const chunk = (type: string, content: Buffer) =>
  Buffer.concat([number(content.length, 4), Buffer.from(type), content, Buffer.alloc(4)]);
const png = (width: number, height: number, pixels = Buffer.alloc(99)) => {
  const sides = [number(width, 4), number(height, 4), Buffer.alloc(5)];
  const parts = [chunk('IHDR', Buffer.concat(sides)), chunk('IDAT', pixels), chunk('IEND', Buffer.alloc(0))];
  return Buffer.concat([hex('89504e470d0a1a0a'), ...parts]);
};
const tagged = (output: Output, pictures: readonly Buffer[]) =>
  output.setMetadataTags({
    images: pictures.map((data) => ({ data: new Uint8Array(data), mimeType: 'image/png', kind: 'coverFront' })),
  });
/** Writes Matroska for ten or more packets, else MP4. */
async function opusWith(packets: number, ...pictures: readonly Buffer[]) {
  const source = new EncodedAudioPacketSource('opus');
  const description = hex('4f707573486561640101000080bb0000000000');
  const config = { codec: 'opus', sampleRate: 48_000, numberOfChannels: 1, description };
  const all = Array.from({ length: packets }, () => '1a0000');
  return fileOf(source, all, config, (output) => {
    output.addAudioTrack(source);
    tagged(output, pictures);
  });
}
async function videoWith(packets: number, ...pictures: readonly Buffer[]) {
  const source = new EncodedVideoPacketSource('vp8');
  const all = Array.from({ length: packets }, () => 'f002009d012a40004000');
  return fileOf(source, all, { codec: 'vp8', codedWidth: 64, codedHeight: 64 }, (output) => {
    output.addVideoTrack(source);
    tagged(output, pictures);
  });
}

/** Encodes a number with seven bits in each of four bytes. */
const synchsafe = (value: number) => Buffer.from([21, 14, 7, 0].map((shift) => (value >> shift) & 0x7f));
interface Frame {
  readonly flags?: number;
  readonly version?: number;
  /** Writes the size as in ID3v2.3. */
  readonly plain?: boolean;
}
function frame(
  name: string,
  content: Buffer | string,
  { flags = 0, version = 4, plain = version < 4 }: Frame = {},
): Buffer {
  const bytes = typeof content === 'string' ? latin1(content) : content;
  if (version === 2) return Buffer.concat([latin1(name), number(bytes.length, 3), bytes]);
  const size = plain ? number(bytes.length, 4) : synchsafe(bytes.length);
  return Buffer.concat([latin1(name), size, Buffer.from([0, flags]), bytes]);
}
function tag(frames: readonly Buffer[], { version = 4, flags = 0, padding = 0 } = {}): Buffer {
  const content = Buffer.concat([...frames, Buffer.alloc(padding)]);
  return Buffer.concat([latin1('ID3'), Buffer.from([version, 0, flags]), synchsafe(content.length), content]);
}
/** The content of a cover frame. */
const apic = (picture: Buffer, type = 'image/png\0', description = '\0cover\0') =>
  Buffer.concat([latin1(`${description[0]}${type}\x03${description.slice(1)}`), picture]);
const withCover = (cover: Buffer, options = {}) => Buffer.concat([tag([cover], options), mp3(50)]);
const stuffed = (content: Buffer) => latin1(content.toString('latin1').replaceAll('\xff', '\xff\0'));

const block = (picture: Buffer, type = 'image/png') =>
  Buffer.concat([
    number(3, 4),
    number(type.length, 4),
    latin1(type),
    number(0, 4),
    Buffer.alloc(16),
    number(picture.length, 4),
    picture,
  ]);
const little = (value: number) => number(value, 4).reverse();
const comments = (pictures: readonly Buffer[], name = 'METADATA_BLOCK_PICTURE') =>
  commentsOf(
    pictures.map((picture) => block(picture)),
    name,
  );
const commentsOf = (blocks: readonly Buffer[], name = 'METADATA_BLOCK_PICTURE') => {
  const all = blocks.map((one) => latin1(`${name}=${one.toString('base64')}`));
  return Buffer.concat([little(0), little(all.length), ...all.flatMap((one) => [little(one.length), one])]);
};
/** A frame of silence after the blocks. */
function flac(...blocks: readonly (readonly [type: number, content: Buffer])[]): Buffer {
  const info = hex(`1000400000000e0000100bb80f000000bb80${'00'.repeat(16)}`);
  const all = [[0, info] as const, ...blocks].map(([type, content], n) =>
    Buffer.concat([Buffer.from([type + (n === blocks.length ? 0x80 : 0)]), number(content.length, 3), content]),
  );
  return Buffer.concat([Buffer.from('fLaC'), ...all, hex('fff8e3180006000000000000b284fff8e318010100000000000025f1')]);
}
/** An Opus with these comments instead of its own. */
async function opus(content: Buffer): Promise<Buffer> {
  const file = await clip('tone.opus');
  const [second, third] = [file.indexOf('OggS', 4), file.indexOf('OggS', file.indexOf('OggS', 4) + 4)];
  const packet = Buffer.concat([Buffer.from('OpusTags'), content]);
  const lengths = Array.from({ length: Math.floor(packet.length / 255) }, () => 255).concat(packet.length % 255);
  const pages: Buffer[] = [];
  let at = 0;
  while (lengths.length > 0) {
    const segments = lengths.splice(0, 255);
    const bytes = segments.reduce((sum, length) => sum + length, 0);
    const header = Buffer.from(file.subarray(second, second + 27));
    header[5] = at === 0 ? 0 : 1;
    header[26] = segments.length;
    const page = Buffer.concat([header, Buffer.from(segments), packet.subarray(at, at + bytes)]);
    page.writeUInt32LE(oggChecksum(page), 22);
    pages.push(page);
    at += bytes;
  }
  return Buffer.concat([file.subarray(0, second), ...pages, file.subarray(third)]);
}
async function wave(chunkName: string, ...frames: readonly Buffer[]): Promise<Buffer> {
  const header = hex('52494646f0ffffff57415645666d7420100000000100020080bb000000ee02000400100064617461e8030000');
  const content = tag(frames);
  return Buffer.concat([header, Buffer.alloc(1000), latin1(chunkName), little(content.length), content]);
}

/** Functions that make files with these covers. */
const SOUNDS: Readonly<Record<string, (...pictures: readonly Buffer[]) => Promise<Buffer>>> = {
  'an MP4': (...pictures) => opusWith(1, ...pictures),
  'a Matroska': (...pictures) => opusWith(10, ...pictures),
  'an MP3 with ID3v2.4': async (...all) => Buffer.concat([tag(all.map((one) => frame('APIC', apic(one)))), mp3(50)]),
  'an MP3 with ID3v2.3': async (...all) => {
    const frames = all.map((one) => frame('APIC', apic(one), { version: 3 }));
    return Buffer.concat([tag(frames, { version: 3, padding: 2000 }), mp3(50)]);
  },
  'an MP3 with ID3v2.2': async (...all) => {
    const frames = all.map((one) => frame('PIC', apic(one, 'PNG'), { version: 2 }));
    return Buffer.concat([tag(frames, { version: 2 }), mp3(50)]);
  },
  'an MP3 with several tags': async (...all) =>
    Buffer.concat([
      tag([]),
      ...all.slice(0, 2).map((one) => tag([frame('APIC', apic(one))])),
      tag(all.slice(2).map((one) => frame('APIC', apic(one)))),
      mp3(50),
    ]),
  'a WAV': (...all) => wave('id3 ', ...all.map((one) => frame('APIC', apic(one)))),
  'a WAV with another name for its tag': (...all) => wave('ID3 ', ...all.map((one) => frame('APIC', apic(one)))),
  'a FLAC': async (...all) => flac(...all.map((one) => [6, block(one)] as const)),
  'a FLAC with comments': async (...all) => flac([4, comments(all)]),
  'an Opus': (...all) => opus(comments(all)),
  'an Opus with lower-case comment names': (...all) => opus(comments(all, 'metadata_block_picture')),
};
const VIDEOS: typeof SOUNDS = {
  'a video in MP4': (...pictures) => videoWith(1, ...pictures),
  'a video in Matroska': (...pictures) => videoWith(10, ...pictures),
};

it.each(Object.entries(SOUNDS))('measures the covers of %s as its picture, like ffmpeg', async (_what, make) => {
  const { picture, sound } = await measured(await make(png(30, 20), png(20, 30)));
  expect(picture).toEqual({ width: 30, height: 30, frames: 1 });
  expect(sound).toHaveProperty('rate');
});

it.each([
  ['MP4', 1],
  ['Matroska', 10],
])('ignores a cover when it measures the picture of a video in %s', async (_format, packets) => {
  const file = await videoWith(packets, png(300, 200));
  expect(await measured(file)).toEqual({ picture: { width: 64, height: 64, frames: packets } });
});

const PICTURES: Readonly<Record<string, readonly Buffer[]>> = {
  'a large cover': [png(8000, 8000)],
  'two covers that exceed the limit together': [png(6000, 6000), png(6000, 6000)],
  'many covers': Array.from({ length: 21 }, () => png(2, 2)),
  'a cover that is neither PNG nor JPEG': [Buffer.alloc(99, 'x')],
};
const FAULT = 'has a cover picture that is too large, or neither PNG nor JPEG';

it.each(
  Object.entries({ ...SOUNDS, ...VIDEOS }).flatMap(([file, make]) =>
    Object.entries(PICTURES).map(([cover, pictures]) => [file, cover, () => make(...pictures)] as const),
  ),
)('refuses %s with %s, which ffmpeg would decode when it opens the file', async (_file, _cover, make) => {
  await expect(measured(await make())).rejects.toThrow(FAULT);
});

it('refuses an MP4 with a cover before the video, which ffmpeg would decode instead', async () => {
  const file = await videoWith(1, png(300, 200));
  const [track, cover] = [file.indexOf('trak') - 4, file.indexOf('udta') - 4];
  const end = cover + file.readUInt32BE(cover);
  const moved = [file.subarray(0, track), file.subarray(cover, end), file.subarray(track, cover), file.subarray(end)];
  await expect(measured(Buffer.concat(moved))).rejects.toThrow('has a cover picture before the video');
});

it.each([
  ['the items of an AVIF', 'iinf', 'has pictures besides the video'],
  ['artwork of QuickTime', 'com.apple.quicktime.artwork', 'has a cover picture'],
  ['a long index', 'ctts\0\0\0\0\0\x03\x0d\x41', 'its index is too long'],
])('refuses an MP4 with %s', async (_what, name, fault) => {
  const content = Buffer.concat([hex('00000000'), Buffer.from(name), Buffer.alloc(40)]);
  content.writeUInt32BE(content.length);
  await expect(measured(Buffer.concat([await videoWith(1), content]))).rejects.toThrow(fault);
});

const JPEG = hex('ffd8ffc0000b080014002001011100ffd9');
const UTF16 = '\x01\xff\xfeC\0o\0v\0e\0r\0\0\0';

it.each([
  ['a JPEG', frame('APIC', apic(JPEG, 'image/jpeg\0')), {}],
  ['a description in UTF-16', frame('APIC', apic(JPEG, 'image/jpg\0', UTF16)), {}],
  ['a description in Chinese', frame('APIC', apic(JPEG, 'image/jpg\0', '\x01\xff\xfe\xdcf\0\0')), {}],
  ['a description in big-endian UTF-16', frame('APIC', apic(JPEG, 'JPG\0', '\x02\0c\0\0')), {}],
  ['an unsynchronised tag', frame('APIC', stuffed(apic(JPEG, 'image/jpeg\0'))), { flags: 0x80 }],
  [
    'an unsynchronised frame that states its length',
    frame('APIC', Buffer.concat([number(9, 4), stuffed(apic(JPEG, 'image/jpeg\0'))]), { flags: 3 }),
    {},
  ],
])('measures the cover of an MP3 with %s', async (_what, cover, options) => {
  expect(await measured(withCover(cover, options))).toMatchObject({ picture: { width: 32, height: 20, frames: 1 } });
});

it.each([
  ['has the stated type BMP', frame('APIC', apic(png(2, 2), 'image/bmp\0'))],
  [
    'has a description with an unpaired surrogate',
    frame('APIC', apic(png(2, 2), 'image/png\0', '\x01\xff\xfe\0\xd8A\0\0\0')),
  ],
  [
    'has a big-endian description with a little-endian byte order mark',
    frame('APIC', apic(png(2, 2), 'image/png\0', '\x02\xff\xfe\xd8\0\0A\0\0')),
  ],
  ['has a description in an unknown encoding', frame('APIC', apic(png(2, 2), 'image/png\0', '\x04a\0'))],
  ['has no description', frame('APIC', apic(Buffer.alloc(0), 'image/png\0', '\0a'))],
  ['has no type', frame('APIC', Buffer.alloc(20, 1))],
])('refuses an MP3 whose cover %s', async (_what, cover) => {
  await expect(measured(withCover(cover))).rejects.toThrow(FAULT);
});

it.each([
  ['a comment with a truncated picture', flac([4, commentsOf([block(png(2, 2)).subarray(0, -1)])])],
  ['a picture whose stated type is TIFF', flac([6, block(png(2, 2), 'image/tiff')])],
])('refuses a FLAC with %s', async (_what, file) => {
  await expect(measured(file)).rejects.toThrow(FAULT);
});

it('cannot measure an Opus with a page of another stream inside the name of a comment', async () => {
  // A page has at most 65,025 bytes.
  const filler = latin1('X='.padEnd(64_993, 'x'));
  const cover = comments([png(8000, 8000)]).subarray(8);
  const file = await opus(Buffer.concat([little(0), little(2), little(filler.length), filler, cover]));
  await expect(measured(file)).rejects.toThrow(FAULT);
  const third = file.indexOf('OggS', file.indexOf('OggS', 4) + 4);
  const other = Buffer.concat([file.subarray(third, third + 26), Buffer.from([1, 0])]);
  other.writeUInt32LE(7, 14);
  other.writeUInt32LE(oggChecksum(other), 22);
  const mixed = Buffer.concat([file.subarray(0, third), other, file.subarray(third)]);
  await expect(measured(mixed)).rejects.toThrow('it has packets of other streams');
});

it('refuses a WAV with a video after the sound', async () => {
  const file = Buffer.concat([await wave('id3 '), Buffer.from('SMV00200'), Buffer.alloc(100)]);
  await expect(measured(file)).rejects.toThrow('has a video in it');
});

describe('an ID3 tag', () => {
  const TITLE = frame('TIT2', '\x03A song');
  const COVER = frame('APIC', apic(png(2, 2)));
  const LARGE = png(2, 2, Buffer.alloc(9000, 0x80));
  const PLAIN_COVER = frame('APIC', apic(LARGE), { plain: true });
  const PACKED = frame('TXXX', '\0\0\0\x09packed', { flags: 0x09 });
  const EXTENDED = { 3: hex('00000006000000000000'), 4: hex('000000060100') };

  it.each([
    ['in ID3v2.4', tag([TITLE, PACKED])],
    ['in ID3v2.4 that does not state its length', tag([frame('TXXX', 'packed', { flags: 0x08 })])],
    ['in ID3v2.3', tag([TITLE, frame('TXXX', 'packed', { flags: 0x80 })], { version: 3 })],
    ['in ID3v2.3 with the flag of 2.4', tag([PACKED], { version: 3 })],
    ['that is encrypted', tag([frame('TXXX', 'packed', { flags: 0x04 })])],
    ['after a cover', tag([COVER, PACKED])],
    ['after a cover whose size is written as in 2.3', tag([PLAIN_COVER, PACKED])],
    ['after padding', tag([Buffer.alloc(10_000), PACKED])],
    ['after an extended header of 2.3', tag([EXTENDED[3], PACKED], { version: 3, flags: 0x40 })],
    ['after an extended header of 2.4', tag([EXTENDED[4], PACKED], { flags: 0x40 })],
    ['in a second tag', Buffer.concat([tag([TITLE]), tag([PACKED])])],
  ])('refuses an MP3 with a compressed frame %s, which ffmpeg would unpack', async (_where, tags) => {
    const file = measured(Buffer.concat([tags, mp3(50)]));
    await expect(file).rejects.toThrow('has a tag with compressed or encrypted frames');
  });

  it.each([
    ['ID3v2.3 with a cover', tag([TITLE, frame('APIC', apic(LARGE), { version: 3 })], { version: 3 })],
    ['ID3v2.4 with a cover', tag([frame('APIC', apic(LARGE)), TITLE])],
    ['ID3v2.4 with a cover whose size is written as in 2.3', tag([PLAIN_COVER, TITLE])],
    [
      'ID3v2.4 with a group, a stated length and unsynchronisation',
      tag([frame('TIT2', '\0\0\0\x09a song', { flags: 0x43 })]),
    ],
    ['ID3v2.4 with a footer', Buffer.concat([tag([TITLE], { flags: 0x10 }), latin1('3DI'.padEnd(10, '\0'))])],
  ])('measures an MP3 with a tag of %s', async (_what, tags) => {
    expect(await measured(Buffer.concat([tags, mp3(50)]))).toMatchObject({ sound: { channels: 2 } });
  });

  it.each([
    ['more padding than it reads', tag([], { padding: 21 * 1024 * 1024 }), 'too long to check'],
    ['very many frames', tag(Array.from({ length: 5000 }, () => TITLE)), 'too long to check'],
    [
      'a footer that ffmpeg does not skip',
      Buffer.concat([tag([TITLE], { version: 3, flags: 0x10 }), Buffer.alloc(10)]),
      'has a tag with a footer',
    ],
    ['four others after it', Buffer.concat(Array.from({ length: 5 }, () => tag([TITLE]))), 'has too many tags'],
  ])('refuses a tag with %s', async (_what, tags, fault) => {
    await expect(measured(Buffer.concat([tags, mp3(50)]))).rejects.toThrow(fault);
  });
});
