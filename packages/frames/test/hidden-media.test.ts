import { expect, it } from 'vitest';
import { MediaFault, refuseHiddenMedia } from '../src/hidden-media.js';

const hex = (text: string) => Buffer.from(text.replaceAll(' ', ''), 'hex');
const JPEG = hex('ffd8fffe fffe');
const TIFF = hex('49492a00 08000000');
const PNG = hex('89504e470d0a1a0a 0000ffff74455874');
const WEBP = Buffer.from('RIFF\0\0\x01\0WEBPJUNK\0\0\x01\0', 'latin1');
const GIF = Buffer.from('GIF89a\x14\0\x0a\0\0\0\0!\xfe\xff', 'latin1');
const WAV = Buffer.from('RIFF\0\0\x01\0WAVEJUNK\0\0\x01\0', 'latin1');
const FLAC = hex('664c6143 00000022');
const MP3 = hex('fffb9064');
const MP4 = Buffer.from('\0\0\0\x20ftypisom\0\0\x02\0isomiso2', 'latin1');

const NUT = Buffer.from('NM\x7a\x56\x1f\x5f\x04\xad', 'latin1');
const MXF = hex('060e2b34020501010d0102010102');
const MVE = Buffer.from('Interplay MVE File\x1a\0\x1a\0', 'latin1');

const refuse = (...parts: Buffer[]) => refuseHiddenMedia(Buffer.concat([...parts, Buffer.alloc(2000, 0xaa)]));
const filler = (bytes: number) => Buffer.alloc(bytes, 0xaa);

const HOSTS = { JPEG, TIFF, PNG, WEBP, GIF, WAV, FLAC, MP4 };
const MEDIA = { NUT, MXF, MVE };

it.each(
  Object.entries(HOSTS).flatMap(([host, start]) =>
    Object.entries(MEDIA).map(([name, medium]) => [name, host, start, medium] as const),
  ),
)('refuses %s in the metadata of %s', (_name, _host, start, medium) => {
  expect(() => refuse(start, filler(1900), medium)).toThrow(MediaFault);
});

const packets = (bytes: number, missing: number[] = []) =>
  Buffer.concat(
    Array.from({ length: 10 }, (_, at) =>
      Buffer.concat([missing.includes(at) ? hex('aaaaaaaa') : hex('47001310'), filler(bytes - 4)]),
    ),
  );
const blocks = (numbers: number[]) =>
  Buffer.concat(numbers.map((number) => hex(`aa 0001 ${number.toString(16)}8 aaaa`)));
const STREAMS: Readonly<Record<string, Buffer>> = {
  'a transport stream': packets(188),
  'a transport stream with three broken packets': packets(188, [1, 4, 8]),
  'a transport stream with time stamps': packets(192),
  'a transport stream with error correction': packets(204).subarray(0, 2000),
  'a program stream': hex('000001ba44000400'),
  'H.264': hex('0000000167640000 0000000168ee 0000000165b8'),
  'H.265': hex('000000014001 000000014201 000000014401 000000012801'),
  'H.266': hex('000000010079 000000010081'),
  'MPEG-2': hex('000001b31e0118 00000100 00000101 00000102 00000100 00000101 00000102'),
  'MPEG-4': hex('000001b0f5 000001b509 00000100 00000120 000001b610 000001b650'),
  'VC-1': hex('0000010fcc 0000010e4a 0000010d3f'),
  AVS: hex('000001b020 000001b310'),
  'H.263': hex('00008002 0800 00008006 0800 0000800a 0800'),
  'H.261': blocks([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]),
  DV: hex('1f07003f 1f17003f 1f27003f 1f0700bf 1f07003f'),
  'Nullsoft streaming video': Buffer.from('NSVs'),
};
it.each(
  Object.entries(STREAMS).flatMap(([name, stream]) =>
    Object.entries({ JPEG, TIFF, MP3 }).map(([host, start]) => [name, host, start, stream] as const),
  ),
)('refuses %s in the metadata of %s, which has a lower score in ffmpeg', (_name, _host, start, stream) => {
  expect(() => refuse(start, stream)).toThrow(MediaFault);
});

it('accepts formats with a higher score than streams, even with such bytes in their tables', () => {
  for (const [name, stream] of Object.entries(STREAMS)) {
    if (name.includes('transport')) continue;
    for (const start of [PNG, MP4]) refuse(start, stream);
  }
});

it('accepts a photo whose EXIF has numbers that look like parts of a stream', () => {
  // Phones write big-endian numbers: a short 1 is 00 01 00 00, the next tag 01 xx, and an offset 00 00 01 xx.
  const tags = '0100 0101 0102 0103 0106 0112 0115 011c 0128 0153 0207 0213 a001 a217 a300 a401 a402 a403';
  const shorts = tags.split(' ').map((tag) => hex(`${tag} 0003 00000001 0001 0000`));
  const offsets = [0x0e, 0x20, 0x3c, 0x5a, 0x67, 0x8c, 0xb3, 0xba, 0xe0];
  const texts = offsets.map((at) => hex(`0110 0002 00000014 000001${at.toString(16).padStart(2, '0')}`));
  const exif = Buffer.from('Exif\0\0MM\0*\0\0\0\x08', 'latin1');
  refuse(hex('ffd8ffe1 2000'), exif, ...shorts, ...texts);
});
