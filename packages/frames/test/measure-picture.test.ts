import { deflateSync } from 'node:zlib';
import { expect, it } from 'vitest';
import { type FrameType, MediaFault, measurePicture } from '../src/index.js';

const bytes = (text: string) => Buffer.from(text, 'latin1');
const hex = (text: string) => Buffer.from(text, 'hex');
const little = (value: number, length: number) => {
  const content = Buffer.alloc(length);
  content.writeUIntLE(value, 0, length);
  return content;
};

const chunk = (type: string, content: number | Buffer = 26) => {
  const inside = typeof content === 'number' ? Buffer.alloc(content) : content;
  const all = Buffer.alloc(inside.length + 12);
  all.writeUInt32BE(inside.length, 0);
  all.write(type, 4);
  inside.copy(all, 8);
  return all;
};
const SIGNATURE = hex('89504e470d0a1a0a');
const IHDR = chunk('IHDR', hex('000000140000000a0806000000'));
const png = (...chunks: Buffer[]) => Buffer.concat([SIGNATURE, IHDR, ...chunks]);
const frame = [chunk('fcTL'), chunk('fdAT', 1000)];
const END = chunk('IEND', 0);
const packed = (type: 'zTXt' | 'iTXt' | 'iCCP', size: number) => {
  const head = bytes(type === 'iTXt' ? 'name\0\x01\0en\0\0' : 'name\0\0');
  return chunk(type, Buffer.concat([head, deflateSync(Buffer.alloc(size, 'a'))]));
};
const STILL = png(chunk('IDAT'), END);

const segment = (marker: number, content: Buffer) => {
  const length = Buffer.alloc(2);
  length.writeUInt16BE(content.length + 2);
  return Buffer.concat([Buffer.from([0xff, marker]), length, content]);
};
const jpeg = ({ width = 20, height = 10, segments = [] as Buffer[], scans = 1 } = {}) => {
  const sides = hex('080000000001011100');
  sides.writeUInt16BE(height, 1);
  sides.writeUInt16BE(width, 3);
  const scan = Buffer.concat([segment(0xda, hex('0101003f00')), hex('12ff0034ffd056')]);
  return Buffer.concat([hex('ffd8'), ...segments, segment(0xc0, sides), ...Array(scans).fill(scan), hex('ffd9')]);
};
/** A JPEG with an index of pictures that start at these offsets, after this one. */
const indexed = (...starts: ((length: number) => number)[]) => {
  const build = (length: number) => {
    const entries = starts.map((start, at) => {
      const offset = at === 0 ? 0 : Math.max(0, start(length) - 10);
      return Buffer.concat([Buffer.alloc(8), little(offset, 4), Buffer.alloc(4)]);
    });
    const field = Buffer.concat([hex('02b00700'), little(16 * entries.length, 4), little(26, 4)]);
    const index = [bytes('MPF\0II*\0'), little(8, 4), little(1, 2), field, little(0, 4), ...entries];
    return jpeg({ segments: [segment(0xe2, Buffer.concat(index))] });
  };
  return build(build(0).length);
};
const start = () => 0;
const behind = (length: number) => length;

const riff = (...chunks: Buffer[]) => {
  const inside = Buffer.concat(chunks);
  return Buffer.concat([bytes('RIFF'), little(inside.length + 4, 4), bytes('WEBP'), inside]);
};
const part = (type: string, content: Buffer) =>
  Buffer.concat([bytes(type), little(content.length, 4), content, Buffer.alloc(content.length % 2)]);
const canvas = part('VP8X', Buffer.concat([hex('02000000'), little(19, 3), little(9, 3)]));
const lossless = part('VP8L', Buffer.concat([hex('2f'), little(19 + 9 * 2 ** 14, 4), Buffer.alloc(6)]));

const screen = Buffer.concat([bytes('GIF89a'), little(20, 2), little(10, 2), hex('800000'), Buffer.alloc(6)]);
const shown = (width = 20, height = 10) =>
  Buffer.concat([hex('2c00000000'), little(width, 2), little(height, 2), hex('0002'), hex('024401'), hex('00')]);
const comment = Buffer.concat([hex('21fe04'), hex('2c3b2c3b'), hex('00')]);
const gif = (...blocks: Buffer[]) => Buffer.concat([screen, ...blocks]);
const GIF_END = bytes(';');

type Entry = [tag: number, type: number, count: number, value: number];
/** A block of EXIF with these entries, and zeros that they can point to. */
const exifBlock = (entries: readonly Entry[], { more = 0, next = 0 } = {}) => {
  const fields = entries.map(([tag, type, count, value]) => [
    little(tag, 2),
    little(type, 2),
    little(count, 4),
    little(value, 4),
  ]);
  return Buffer.concat([
    hex('49492a0008000000'),
    little(entries.length, 2),
    ...fields.flat(),
    little(next, 4),
    Buffer.alloc(more),
  ]);
};
const withExif = (...blocks: Buffer[]) =>
  jpeg({ segments: blocks.map((block) => segment(0xe1, Buffer.concat([bytes('Exif\0\0'), block]))) });
/** EXIF like that of a phone: texts, directories of EXIF and GPS, a maker note with entries, and a thumbnail. */
const photo = () => {
  const directory = (entries: Buffer, next: number) =>
    Buffer.concat([little(entries.length / 12, 2), entries, little(next, 4)]);
  const entry = (...[tag, type, count, value]: Entry) =>
    Buffer.concat([little(tag, 2), little(type, 2), little(count, 4), little(value, 4)]);
  const content = Buffer.alloc(4000);
  hex('49492a0008000000').copy(content);
  const first = [entry(0x10f, 2, 7, 100), entry(0x112, 3, 1, 1), entry(0x8769, 4, 1, 200), entry(0x8825, 4, 1, 400)];
  directory(Buffer.concat(first), 500).copy(content, 8);
  directory(Buffer.concat([entry(0x829a, 5, 1, 250), entry(0x927c, 7, 1000, 1000)]), 0).copy(content, 200);
  directory(Buffer.concat([entry(2, 5, 3, 450)]), 0).copy(content, 400);
  directory(Buffer.concat([entry(0x201, 4, 1, 2500), entry(0x202, 4, 1, 1500)]), 0).copy(content, 500);
  Buffer.concat([bytes('SONY DSC \0\0\0'), directory(entry(0x2010, 7, 900, 1050), 0)]).copy(content, 1000);
  return content;
};
/** EXIF in a text, as ImageMagick writes it. */
const rawProfile = (block: Buffer, name = 'exif') => {
  const digits = Buffer.concat([bytes('Exif\0\0'), block]).toString('hex');
  const lines = digits.replaceAll(/.{72}/g, (line) => `${line}\n`);
  return bytes(
    `Raw profile type ${name}\0\n${name === 'exif' ? name : 'generic'}\n${String(digits.length / 2).padStart(8)}\n${lines}`,
  );
};
const SHARED = exifBlock(
  Array.from({ length: 2700 }, (_, at) => [0xa500 + at, 1, 30_000, 32_414]),
  { more: 30_000 },
);
const LOOPING = exifBlock([
  [0x8769, 4, 1, 8],
  [0x8825, 4, 1, 8],
]);

/** Measures the content three times, in parts of different sizes. */
async function measureAll(type: FrameType, content: Buffer) {
  const sizes = [7, 64, content.length];
  const measured = sizes.map((size) => {
    async function* parts() {
      for (let at = 0; at < content.length; at += size) yield content.subarray(at, at + size);
    }
    return measurePicture(type, parts()).catch((error: unknown) => error);
  });
  return Promise.all(measured);
}

it.each<[string, FrameType, Buffer, number, size?: [width: number, height: number]]>([
  [
    'an animated PNG that states another number',
    'png',
    png(chunk('acTL', 8), chunk('fcTL'), chunk('IDAT'), ...frame, ...frame),
    3,
  ],
  [
    'an animated PNG after much metadata',
    'png',
    png(chunk('iTXt', 100_000), chunk('acTL', 8), chunk('fcTL'), chunk('IDAT'), ...frame),
    2,
  ],
  ['a PNG with the workflow in it', 'png', png(chunk('tEXt', 9), chunk('IDAT'), END), 1],
  [
    'a PNG with compressed texts and a profile',
    'png',
    png(packed('iCCP', 500_000), packed('zTXt', 10_000), packed('iTXt', 10_000), chunk('IDAT'), END),
    1,
  ],
  ['a PNG with zeros after it', 'png', Buffer.concat([STILL, Buffer.alloc(100_000)]), 1],
  ['a PNG whose animation control chunk comes too late', 'png', png(chunk('IDAT'), chunk('acTL', 8), ...frame), 1],
  ['a truncated PNG', 'png', STILL.subarray(0, -20), 1],
  ['a JPEG', 'jpeg', jpeg(), 1],
  ['a progressive JPEG', 'jpeg', jpeg({ scans: 100 }), 1],
  ['a JPEG with a thumbnail in its metadata', 'jpeg', jpeg({ segments: [segment(0xe1, jpeg())] }), 1],
  ["a JPEG with Samsung's list after it", 'jpeg', Buffer.concat([jpeg(), bytes('\0\0\x01\x0aImage_UTC_DataSEFT')]), 1],
  ['a JPEG with EXIF', 'jpeg', withExif(photo()), 1],
  ['a PNG with EXIF', 'png', png(chunk('eXIf', photo()), chunk('IDAT'), END), 1],
  [
    'a WebP with a workflow in its EXIF',
    'webp',
    riff(lossless, part('EXIF', exifBlock([[0x110, 2, 1e6, 26]], { more: 1e6 }))),
    1,
  ],
  ['a JPEG with a gain map', 'jpeg', Buffer.concat([jpeg(), jpeg({ width: 5, height: 5 })]), 2],
  [
    'a JPEG with a larger picture after zeros',
    'jpeg',
    Buffer.concat([jpeg(), Buffer.alloc(9), jpeg({ width: 90 })]),
    2,
    [90, 10],
  ],
  ['a JPEG with an index of two pictures', 'jpeg', Buffer.concat([indexed(start, behind), jpeg()]), 2],
  [
    'a JPEG whose index repeats a picture',
    'jpeg',
    Buffer.concat([indexed(start, behind, behind, behind, behind), jpeg()]),
    5,
  ],
  ['a WebP', 'webp', riff(lossless), 1],
  ['an animated WebP', 'webp', riff(canvas, part('ANMF', Buffer.alloc(24)), part('ANMF', Buffer.alloc(24))), 2],
  ['a GIF', 'gif', gif(comment, shown(), GIF_END), 1],
  ['an animated GIF without an end', 'gif', gif(shown(), comment, shown()), 2],
  ['a GIF whose picture is larger than the screen', 'gif', gif(shown(300, 200), GIF_END), 1, [300, 200]],
])('counts the pictures of %s', async (_what, type, content, frames, [width, height] = [20, 10]) => {
  for (const measured of await measureAll(type, content)) expect(measured).toEqual({ width, height, frames });
});

/** EXIF with these entries: tag, type and value. */
const exif = (...entries: readonly (readonly [tag: number, type: number, value: number])[]) => {
  const fields = entries.map(([tag, type, value]) =>
    Buffer.concat([little(tag, 2), little(type, 2), little(1, 4), little(value, 4)]),
  );
  return Buffer.concat([bytes('II*\0'), little(8, 4), little(entries.length, 2), ...fields]);
};
const app1 = (content: Buffer) => segment(0xe1, Buffer.concat([bytes('Exif\0\0'), content]));
const TURNED = exif([0x10f, 2, 0], [0x112, 3, 6]);
const XMP = bytes('http://ns.adobe.com/xap/1.0/\0<x:xmpmeta tiff:Orientation="8"/>');
const UPRIGHT = { width: 20, height: 10, frames: 1 };
const UNCLEAR = { ...UPRIGHT, longest: 20 };

it.each<[string, FrameType, Buffer, object]>([
  ['JPEG with EXIF', 'jpeg', jpeg({ segments: [app1(TURNED)] }), { width: 10, height: 20, frames: 1 }],
  [
    'JPEG whose EXIF states an upright orientation',
    'jpeg',
    jpeg({ segments: [app1(exif([0x112, 3, 3])), segment(0xe1, XMP)] }),
    UPRIGHT,
  ],
  ['JPEG with two blocks of EXIF', 'jpeg', jpeg({ segments: [app1(TURNED), app1(TURNED)] }), UNCLEAR],
  [
    'JPEG whose EXIF has two orientations',
    'jpeg',
    jpeg({ segments: [app1(exif([0x112, 3, 1], [0x112, 3, 6]))] }),
    UNCLEAR,
  ],
  [
    'JPEG whose EXIF has an orientation of another type',
    'jpeg',
    jpeg({ segments: [app1(exif([0x112, 4, 6]))] }),
    UNCLEAR,
  ],
  ['JPEG with XMP only', 'jpeg', jpeg({ segments: [segment(0xe1, XMP)] }), UNCLEAR],
  [
    'JPEG with a rotated gain map',
    'jpeg',
    Buffer.concat([jpeg(), jpeg({ segments: [app1(TURNED)] })]),
    { ...UPRIGHT, frames: 2 },
  ],
  ['PNG with EXIF', 'png', png(chunk('eXIf', TURNED), chunk('IDAT'), END), UNCLEAR],
  [
    'PNG whose EXIF states an upright orientation',
    'png',
    png(chunk('eXIf', exif([0x112, 3, 1])), chunk('IDAT'), END),
    UPRIGHT,
  ],
  [
    'PNG with XMP',
    'png',
    png(chunk('iTXt', Buffer.concat([bytes('XML:com.adobe.xmp\0\0\0\0\0'), XMP])), chunk('IDAT'), END),
    UNCLEAR,
  ],
  [
    'PNG with compressed XMP',
    'png',
    png(chunk('zTXt', Buffer.concat([bytes('XML:com.adobe.xmp\0\0'), deflateSync(XMP)])), END),
    UNCLEAR,
  ],
  ["PNG with ImageMagick's profile of a photo", 'png', png(chunk('tEXt', rawProfile(photo())), END), UNCLEAR],
  ["PNG with ImageMagick's profile", 'png', png(chunk('tEXt', bytes('Raw profile type exif\0...')), END), UNCLEAR],
  ['WebP with EXIF', 'webp', riff(canvas, lossless, part('EXIF', TURNED)), UNCLEAR],
  ['WebP with XMP', 'webp', riff(canvas, lossless, part('XMP ', XMP)), UNCLEAR],
])('determines by the metadata whether ComfyUI rotates a %s', async (_what, type, content, size) => {
  for (const measured of await measureAll(type, content)) expect(measured).toEqual(size);
});

const MNG = Buffer.concat([hex('8a4d4e470d0a1a0a'), STILL.subarray(8)]);
const TRAILING = 'has data after the end of the picture';
const DAMAGED = 'is a damaged picture';
const SHARE = 'has EXIF entries that share their bytes';
const ENTRIES = 'has too many EXIF entries';
const BLOCKS = 'has more than 8 MiB of EXIF';
const UNPACKS = 'has texts or profiles that unpack to more than 1 MiB';

it.each<[string, FrameType, Buffer, string]>([
  ['a JPEG of many scans', 'jpeg', jpeg({ scans: 101 }), 'has more than 100 scans'],
  [
    'a JPEG with another one of many scans',
    'jpeg',
    Buffer.concat([indexed(start, behind), jpeg({ scans: 100 })]),
    'has more than 100 scans',
  ],
  ['a JPEG with EXIF entries that share their bytes', 'jpeg', withExif(photo(), SHARED), SHARE],
  ['a PNG with EXIF entries that share their bytes', 'png', png(chunk('eXIf', SHARED), chunk('IDAT'), END), SHARE],
  ...(['exif', 'APP1'] as const).map((name): [string, FrameType, Buffer, string] => [
    `a PNG with EXIF in a text (${name}) whose entries share their bytes`,
    'png',
    png(chunk('tEXt', rawProfile(SHARED, name)), chunk('IDAT'), END),
    SHARE,
  ]),
  [
    'a PNG with EXIF in a compressed text whose entries share their bytes',
    'png',
    png(
      chunk('zTXt', Buffer.concat([bytes('Raw profile type exif\0\0'), deflateSync(rawProfile(SHARED).subarray(22))])),
      END,
    ),
    SHARE,
  ],
  [
    'a PNG with EXIF in an international text whose entries share their bytes',
    'png',
    png(
      chunk(
        'iTXt',
        Buffer.concat([bytes('Raw profile type exif\0\0\0de\0\nexif\n2\n00\0'), rawProfile(SHARED).subarray(22)]),
      ),
      END,
    ),
    SHARE,
  ],
  [
    'a PNG with EXIF in a text of one line whose entries share their bytes',
    'png',
    png(
      chunk('tEXt', bytes(rawProfile(SHARED).toString('latin1').replaceAll('\n', ' ').replace('\0 exif', '\0\nexif'))),
      END,
    ),
    SHARE,
  ],
  ['a PNG with EXIF in a text of 2 MiB', 'png', png(chunk('tEXt', rawProfile(Buffer.alloc(2 ** 20))), END), UNPACKS],
  [
    'a WebP with EXIF entries that share their bytes',
    'webp',
    riff(lossless, part('EXIF', Buffer.concat([bytes('Exif\0\0'), SHARED]))),
    SHARE,
  ],
  [
    'a JPEG whose maker note has entries that share their bytes',
    'jpeg',
    withExif(
      Buffer.concat([
        exifBlock([[0x927c, 7, 4, 38]], { more: 12 }).subarray(0, 26),
        Buffer.alloc(12),
        SHARED.subarray(8),
      ]),
    ),
    SHARE,
  ],
  ['a JPEG with EXIF directories that contain themselves', 'jpeg', withExif(LOOPING), ENTRIES],
  ['a JPEG with EXIF directories that follow themselves', 'jpeg', withExif(exifBlock([], { next: 8 })), ENTRIES],
  [
    'a JPEG with many blocks of EXIF',
    'jpeg',
    withExif(...Array.from({ length: 140 }, () => exifBlock([], { more: 65_000 }))),
    BLOCKS,
  ],
  ['a PNG with another after it', 'png', Buffer.concat([STILL, Buffer.alloc(50), STILL]), TRAILING],
  ['a PNG with an MNG after it', 'png', Buffer.concat([STILL, MNG]), TRAILING],
  ['a PNG without an end with another after it', 'png', Buffer.concat([png(chunk('IDAT')), STILL]), DAMAGED],
  ...(['zTXt', 'iTXt', 'iCCP'] as const).map((type): [string, FrameType, Buffer, string] => [
    `a PNG whose ${type} unpacks to 2 MiB`,
    'png',
    png(packed(type, 2 ** 21), chunk('IDAT'), END),
    UNPACKS,
  ]),
  [
    'a PNG whose texts unpack to 2 MiB in total',
    'png',
    png(...Array.from({ length: 4 }, () => packed('zTXt', 2 ** 19)), chunk('IDAT'), END),
    UNPACKS,
  ],
  ['a PNG with a compressed text of 2 MiB', 'png', png(chunk('zTXt', 2 ** 21), chunk('IDAT'), END), UNPACKS],
  [
    'a PNG with a thousand empty texts',
    'png',
    png(...Array.from({ length: 1100 }, () => packed('zTXt', 1)), END),
    UNPACKS,
  ],
  ['a PNG with a text that cannot be unpacked', 'png', png(chunk('zTXt', bytes('name\0\0garbage')), END), DAMAGED],
  ['two joined WebPs', 'webp', Buffer.concat([riff(lossless), riff(lossless)]), TRAILING],
  ['a WebP of two still pictures', 'webp', riff(lossless, lossless), DAMAGED],
  [
    'a WebP with a still picture besides its frames',
    'webp',
    riff(canvas, part('ANMF', Buffer.alloc(24)), lossless),
    DAMAGED,
  ],
  [
    'a WebP whose last chunk extends beyond its end',
    'webp',
    Buffer.concat([riff(lossless, bytes('JUNK\x80\0\0\0')), riff(lossless), Buffer.alloc(200)]),
    DAMAGED,
  ],
  ['a GIF with frames after its end', 'gif', gif(shown(), GIF_END, shown()), TRAILING],
  ['a GIF with frames after garbage', 'gif', gif(shown(), hex('0007'), shown(), GIF_END), DAMAGED],
  ['a JPEG with other data and another JPEG after it', 'jpeg', Buffer.concat([jpeg(), bytes('x'), jpeg()]), TRAILING],
  ['a JPEG with another one far after it', 'jpeg', Buffer.concat([jpeg(), Buffer.alloc(262_142, 1), jpeg()]), TRAILING],
  [
    'a JPEG with a video after it',
    'jpeg',
    Buffer.concat([jpeg(), bytes('\0\0\0\x18ftypmp42')]),
    'has a video after the picture',
  ],
  ['a JPEG with another one inside', 'jpeg', Buffer.concat([jpeg().subarray(0, -2), jpeg()]), DAMAGED],
  [
    'a JPEG whose index lists a picture in its metadata',
    'jpeg',
    Buffer.concat([indexed(start, () => 60), jpeg()]),
    'lists pictures that it does not contain',
  ],
  ['a picture without a size', 'png', Buffer.concat([SIGNATURE, chunk('IDAT'), END]), DAMAGED],
])('refuses %s', async (_what, type, content, fault) => {
  for (const measured of await measureAll(type, content)) expect(measured).toEqual(new MediaFault(fault));
});
