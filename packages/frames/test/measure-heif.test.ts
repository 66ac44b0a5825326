import { expect, it } from 'vitest';
import { MediaFault, measureHeif } from '../src/index.js';

const hex = (text: string) => Buffer.from(text.replaceAll(' ', ''), 'hex');
const number = (value: number, bytes: number) => {
  const content = Buffer.alloc(bytes);
  content.writeUIntBE(value, 0, bytes);
  return content;
};
const box = (name: string, ...parts: Buffer[]) => {
  const content = Buffer.concat(parts);
  return Buffer.concat([number(content.length + 8, 4), Buffer.from(name, 'latin1'), content]);
};

type Item = readonly [type: string, content: Buffer];
interface Options {
  readonly version?: number;
  readonly inIdat?: boolean;
  readonly properties?: readonly Buffer[];
}

/** A file whose container states 16 × 16 pixels for each picture. The last item is the primary one. */
function heif(items: readonly Item[], { version = 0, inIdat = false, properties = [] }: Options = {}): Buffer {
  const idBytes = version < 2 ? 2 : 4;
  const data = Buffer.concat(items.map(([, content]) => content));
  const build = (from: number) => {
    let at = from;
    const places = items.map(([, content], n) => {
      const method = version === 0 ? hex('') : number(inIdat ? 1 : 0, 2);
      at += content.length;
      return Buffer.concat([
        number(n + 1, idBytes),
        method,
        hex('0000 0001'),
        number(at - content.length, 4),
        number(content.length, 4),
      ]);
    });
    const infos = items.map(([type], n) =>
      box('infe', hex('02000000'), number(n + 1, 2), hex('0000'), Buffer.from(`${type}\0`, 'latin1')),
    );
    const meta = [
      box('hdlr', hex('00000000 00000000'), Buffer.from('pict'), Buffer.alloc(13)),
      box('pitm', hex('00000000'), number(items.length, 2)),
      box('iloc', number(version, 1), hex('000000 4400'), number(items.length, idBytes), ...places),
      box('iinf', hex('00000000'), number(items.length, 2), ...infos),
      box('iprp', box('ipco', box('ispe', hex('00000000 00000010 00000010')), ...properties)),
      ...(inIdat ? [box('idat', data)] : []),
    ];
    const start = Buffer.concat([
      box('ftyp', Buffer.from('avif\0\0\0\0avifmif1')),
      box('meta', hex('00000000'), ...meta),
    ]);
    return inIdat ? start : Buffer.concat([start, box('mdat', data)]);
  };
  return inIdat ? build(0) : build(build(0).length - data.length);
}

const SMALL: Item = ['av01', hex('0a0a00000002afff9b5f2008320e1000c00000028000000a05776480')];
const LARGE: Item = ['av01', hex('0a0b0000000cc4ff6f36be4010 32021000')];
const EXIF: Item = ['Exif', hex('00000000 49492a00')];
const SPS = '42010101600000030090000003000003003fa00502017165959a4932b9a02000000300200000030301';
const HVCC = box(
  'hvcC',
  hex(`0101600000009000000000003ff000fcfdf8f800000f01210001${(SPS.length / 2).toString(16).padStart(4, '0')}${SPS}`),
);
const MANY_SETS = box(
  'hvcC',
  hex('0101600000009000000000003ff000fcfdf8f800000f01210200'),
  ...Array.from({ length: 512 }, () => hex('0002 4001')),
);
const HEVC: Item = ['hvc1', hex('00000003 2801af')];
/** Three items that are the whole file each. */
function overlapping(): Buffer {
  const file = heif([LARGE, LARGE, LARGE], { version: 1 });
  const places = file.indexOf('iloc') + 12;
  for (let item = 0; item < 3; item += 1) {
    file.writeUInt32BE(0, places + 16 * item + 8);
    file.writeUInt32BE(0, places + 16 * item + 12);
  }
  return file;
}
const SIZE = { width: 640, height: 368, frames: 1 };

it.each([
  ['the only picture', heif([LARGE])],
  ['a first picture that is not the primary one', heif([LARGE, SMALL])],
  ['a second picture', heif([SMALL, LARGE, EXIF])],
  ['a picture in newer tables', heif([SMALL, LARGE], { version: 2 })],
  ['a picture in the box for small items', heif([SMALL, LARGE], { version: 1, inIdat: true })],
  ['a picture in HEVC', heif([HEVC], { properties: [HVCC] })],
])('measures the coded data and ignores the size in the container: %s', (_which, file) => {
  expect(measureHeif(file)).toEqual(SIZE);
});

it('counts the frames of a coded picture', () => {
  expect(measureHeif(heif([LARGE, ['av01', Buffer.concat([LARGE[1], hex('32021000')])]]))).toEqual({
    ...SIZE,
    frames: 2,
  });
});

it.each([
  ['with a picture in another codec', heif([SMALL, ['j2k1', hex('00')]])],
  ['with a picture in HEVC that lacks its configuration', heif([HEVC])],
  ['with two tables', Buffer.concat([heif([SMALL]), heif([LARGE]).subarray(24)])],
  ['that is truncated', heif([SMALL, LARGE]).subarray(0, -20)],
  ['with more configurations than photos have', heif([HEVC], { properties: Array.from({ length: 11 }, () => HVCC) })],
  ['with more parameter sets than photos have', heif([HEVC], { properties: [MANY_SETS] })],
  ['with items that overlap', overlapping()],
  ['with a thousand boxes', Buffer.concat([heif([SMALL]), ...Array.from({ length: 1000 }, () => box('free'))])],
])('cannot measure a file %s', (_which, file) => {
  expect(() => measureHeif(file)).toThrow();
});

it('refuses a file with EXIF entries that share their bytes', () => {
  const entry = hex('a500 0001 00001000 0000000a');
  const entries = Array.from({ length: 200 }, () => entry);
  const exif = Buffer.concat([hex('4d4d002a 00000008 00c8'), ...entries, Buffer.alloc(0x1000)]);
  const file = heif([LARGE, ['Exif', Buffer.concat([hex('00000006'), Buffer.from('Exif\0\0'), exif])]]);
  expect(() => measureHeif(file)).toThrow(MediaFault);
});
