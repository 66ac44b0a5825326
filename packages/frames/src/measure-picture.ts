import { constants, inflateSync } from 'node:zlib';
import { ByteReader } from './byte-reader.js';
import { entriesOf, exifTurn, type PictureSize, type Turn, tiffNumbers, withUnclearShape, xmpTurns } from './exif.js';
import { ExifCheck } from './exif-check.js';
import type { FrameType } from './frame-types.js';
import { damaged, MediaFault } from './hidden-media.js';

/** Functions that walk through a container to its end. */
const WALKS: Readonly<Record<FrameType, (bytes: ByteReader) => Promise<PictureSize>>> = {
  png: walkPng,
  jpeg: walkJpeg,
  webp: walkWebp,
  gif: walkGif,
};

/**
 * Measures every picture in a file that ComfyUI would decode. ffmpeg also decodes pictures after the end of the first one, so
 * only zeros may follow. Throws MediaFault.
 */
export async function measurePicture(type: FrameType, content: AsyncIterable<Buffer>): Promise<PictureSize> {
  const bytes = new ByteReader(content);
  const size = await WALKS[type](bytes);
  await bytes.skipZeros();
  if (size.width * size.height === 0) throw damaged();
  if ((await bytes.peek(1)).length > 0) throw new MediaFault('has data after the end of the picture');
  return size;
}

function larger(one: PictureSize, other: Omit<PictureSize, 'frames'>): PictureSize {
  return { ...one, width: Math.max(one.width, other.width), height: Math.max(one.height, other.height) };
}

const NOTHING: PictureSize = { width: 0, height: 0, frames: 0 };
/** PNG, third edition, 5.3. */
const MOST_IN_CHUNK = 0x7fffffff;

/** Counts the frames, because the number in the animation control chunk can be wrong. After the pixels that chunk is ignored. */
async function walkPng(bytes: ByteReader): Promise<PictureSize> {
  let size = NOTHING;
  let isAnimated = false;
  let hasPixels = false;
  let frames = 0;
  let unpacked = 0;
  let turns = false;
  const exif = new ExifCheck();
  await bytes.skip(8);
  for (let type = ''; type !== 'IEND'; ) {
    const header = await bytes.take(8);
    if (header.length < 8) break;
    const length = header.readUInt32BE(0);
    type = header.toString('latin1', 4);
    if (length > MOST_IN_CHUNK) throw damaged();
    if (type === 'IDAT') hasPixels = true;
    if (type === 'acTL' && !hasPixels) isAnimated = true;
    if (type === 'fcTL') frames += 1;
    if (type === 'IHDR') {
      const sides = await bytes.peek(8);
      if (sides.length === 8) size = larger(size, { width: sides.readUInt32BE(0), height: sides.readUInt32BE(4) });
    }
    if (METADATA_CHUNKS.has(type)) {
      const content = await bytes.peek(Math.min(length, MOST_UNPACKED));
      const { text, isPacked } = textIn(type, length, content);
      if (isPacked) unpacked += Math.max(SMALLEST_UNPACKED, text.length);
      if (unpacked > MOST_UNPACKED) throw new MediaFault(UNPACKS);
      if (type === 'eXIf') exif.check(await bytes.peek(exif.admit(length)));
      const isRawExif = RAW_EXIF.test(content.toString('latin1', 0, 32));
      if (isRawExif && length > MOST_UNPACKED) throw new MediaFault(UNPACKS);
      if (isRawExif) for (const block of rawExif(text)) exif.check(block);
      turns ||= (type === 'eXIf' ? exifMayTurn(content) : isRawExif) || xmpTurns(text);
    }
    await bytes.skip(length + 4);
  }
  return withUnclearShape({ ...size, frames: isAnimated ? Math.max(1, frames) : 1 }, turns);
}

const METADATA_CHUNKS: ReadonlySet<string> = new Set(['eXIf', 'tEXt', 'zTXt', 'iTXt', 'iCCP']);
/** The keyword of a text chunk in which ImageMagick stores EXIF as hexadecimal digits. */
const RAW_EXIF = /^Raw profile type (?:exif|APP1)\0/i;
/** What precedes the digits: as ffmpeg 8 skips it, then as Pillow skips it. */
const RAW_HEADS = [/^[^\n]*\nexif[^!-~]+\d+[^!-~]+/, /^(?:[^\n]*\n){3}/];

function rawExif(text: Buffer): Buffer[] {
  const heads = RAW_HEADS.map((head) => text.toString('latin1').replace(head, ''));
  return heads.map((digits) => Buffer.from(digits.replaceAll(/[^\da-f]/gi, ''), 'hex'));
}

/** Pillow rotates a picture as its EXIF states, but not every ffmpeg does. */
function exifMayTurn(exif: Buffer): boolean {
  const turn = exifTurn(exif);
  return turn === 'turned' || turn === 'unclear';
}

/** Limit for all compressed texts and profiles of a PNG, which ffmpeg unpacks into memory without a limit. */
const MOST_UNPACKED = 1024 * 1024;
const UNPACKS = 'has texts or profiles that unpack to more than 1 MiB';
/** Each chunk counts as at least this many bytes, which limits the number of chunks. */
const SMALLEST_UNPACKED = 1024;

/** PNG, third edition, 11.3.2 and 11.3.3: a name, a zero, a flag (only in iTXt), the method, two more texts (only in iTXt), the data. */
function textIn(type: string, length: number, content: Buffer): { text: Buffer; isPacked: boolean } {
  const nameEnd = content.indexOf(0);
  if (type === 'eXIf') return { text: content, isPacked: false };
  if (type === 'tEXt') return { text: content.subarray(nameEnd + 1), isPacked: false };
  const isText = type === 'iTXt';
  const at = isText ? content.indexOf(0, content.indexOf(0, nameEnd + 3) + 1) + 1 : nameEnd + 2;
  if (isText && content[nameEnd + 1] !== 1) return { text: content.subarray(at), isPacked: false };
  if (length > MOST_UNPACKED) throw new MediaFault(UNPACKS);
  try {
    const options = { maxOutputLength: MOST_UNPACKED, finishFlush: constants.Z_SYNC_FLUSH };
    return { text: inflateSync(content.subarray(at), options), isPacked: true };
  } catch (error) {
    throw (error as NodeJS.ErrnoException).code === 'ERR_BUFFER_TOO_LARGE' ? new MediaFault(UNPACKS) : damaged();
  }
}

const JPEG_START = Buffer.from('ffd8ff', 'hex');
const [SOI, EOI, SOS, APP1, APP2] = [0xd8, 0xd9, 0xda, 0xe1, 0xe2];
/** Ordinary progressive pictures have about ten. Each takes as long to decode as a whole picture, and ComfyUI hears no interrupt. */
const MOST_SCANS = 100;
/** Markers of a start of frame, without the three other markers in their range. */
const isFrame = (marker: number) => marker >= 0xc0 && marker <= 0xcf && ![0xc4, 0xc8, 0xcc].includes(marker);

/** Phones append gain maps and depth maps as further pictures, and Samsung appends its own list. */
async function walkJpeg(bytes: ByteReader): Promise<PictureSize> {
  let size = NOTHING;
  const starts = new Set<number>();
  const listed: number[] = [];
  const exif = new ExifCheck();
  const turns: Turn[] = [];
  let isTurnedByXmp = false;
  let isWhole = true;
  let scans = 0;
  while (isWhole && (await bytes.peek(3)).equals(JPEG_START)) {
    starts.add(bytes.at);
    await bytes.skip(2);
    isWhole = false;
    for (let marker = await nextMarker(bytes); marker !== undefined; marker = await nextMarker(bytes)) {
      isWhole = marker === EOI;
      if (isWhole) break;
      const stated = await bytes.peek(2);
      const length = stated.length === 2 ? stated.readUInt16BE(0) : 2;
      if (marker < 0xc0 || marker === SOI || length < 2) throw damaged();
      if (marker === SOS) scans += 1;
      if (scans > MOST_SCANS) throw new MediaFault(`has more than ${MOST_SCANS} scans`);
      const at = bytes.at;
      const segment = await bytes.take(length);
      if (isFrame(marker) && segment.length >= 7)
        size = larger(size, { width: segment.readUInt16BE(5), height: segment.readUInt16BE(3) });
      // ffmpeg accepts any two bytes after the name.
      if (marker === APP1 && segment.toString('latin1', 2, 6) === 'Exif') exif.check(segment.subarray(8));
      // Metadata of further pictures rotates nothing.
      if (marker === APP1 && starts.size === 1) {
        if (segment.toString('latin1', 2, 6) === 'Exif') turns.push(exifTurn(segment.subarray(2)));
        isTurnedByXmp ||= xmpTurns(segment);
      }
      if (marker === APP2 && segment.toString('latin1', 2, 6) === 'MPF\0')
        listed.push(...pictureIndex(segment.subarray(6), at + 6));
    }
    await bytes.skipZeros();
  }
  if (listed.some((start) => !starts.has(start))) throw new MediaFault('lists pictures that it does not contain');
  await skipTrailer(bytes);
  const all = { ...size, frames: Math.max(starts.size, listed.length) };
  const [turn = 'unsaid', ...others] = turns;
  if (turn === 'turned' && others.length === 0) return { ...all, width: size.height, height: size.width };
  return withUnclearShape(all, others.length > 0 || turn === 'unclear' || (turn === 'unsaid' && isTurnedByXmp));
}

/** Markers in the pixels, and bytes that fill gaps. */
const isPixels = (marker: number) => marker === 0 || marker === 0xff || (marker >= 0xd0 && marker <= 0xd7);

/** Skips pixels and returns the next marker that is not part of them. */
async function nextMarker(bytes: ByteReader): Promise<number | undefined> {
  const isFound = await bytes.skipUntil(0xff, (marker) => !isPixels(marker));
  return isFound ? (await bytes.take(2))[1] : undefined;
}

const MP_ENTRIES = 0xb002;
const MP_ENTRY_BYTES = 16;

/** Offsets of the pictures in a multi-picture index (CIPA DC-007, 5.2). Pillow decodes one picture for each entry. */
function pictureIndex(index: Buffer, base: number): number[] {
  const number = tiffNumbers(index);
  const starts: number[] = [];
  for (const { tag, count, value } of entriesOf(number, number(4, 4))) {
    if (tag !== MP_ENTRIES) continue;
    if (starts.length > 0) throw damaged();
    const entries = number(value, 4);
    // Pillow writes such an index, and cannot read it either.
    if (entries + count > index.length) continue;
    for (let entry = 0; entry < count; entry += MP_ENTRY_BYTES) {
      const offset = number(entries + entry + 8, 4);
      // The first entry is the picture that contains the index.
      starts.push(entry === 0 ? 0 : base + offset);
    }
  }
  return starts;
}

const TRAILER_STEP = 256 * 1024;

/** Skips data after the last picture. Throws if ffmpeg would find a picture or a video there. */
async function skipTrailer(bytes: ByteReader): Promise<void> {
  for (let part = await bytes.peek(TRAILER_STEP); part.length > 0; part = await bytes.peek(TRAILER_STEP)) {
    if (part.includes('ftyp')) throw new MediaFault('has a video after the picture');
    if (part.includes(JPEG_START)) throw new MediaFault('has data after the end of the picture');
    await bytes.skip(part.length < TRAILER_STEP ? part.length : part.length - JPEG_START.length);
  }
}

async function walkWebp(bytes: ByteReader): Promise<PictureSize> {
  const riff = await bytes.take(12);
  const end = 8 + riff.readUInt32LE(4);
  let size = NOTHING;
  let stills = 0;
  let frames = 0;
  let turns = false;
  const exif = new ExifCheck();
  while (bytes.at < end) {
    const header = await bytes.take(8);
    if (header.length < 8) break;
    const type = header.toString('latin1', 0, 4);
    const length = header.readUInt32LE(4);
    const sides = webpSides(type, await bytes.peek(10));
    if (sides !== undefined) size = larger(size, sides);
    if (type === 'VP8 ' || type === 'VP8L') stills += 1;
    if (type === 'ANMF') frames += 1;
    if (type === 'EXIF') exif.check(await bytes.peek(exif.admit(length)));
    const metadata = type === 'EXIF' || type === 'XMP ' ? await bytes.peek(Math.min(length, MOST_UNPACKED)) : undefined;
    if (metadata !== undefined) turns ||= type === 'EXIF' ? exifMayTurn(metadata) : xmpTurns(metadata);
    await bytes.skip(length + (length % 2));
  }
  // Decoders differ in which picture they choose.
  if (stills > 1 || (stills > 0 && frames > 0) || bytes.at > end + 1) throw damaged();
  return withUnclearShape({ ...size, frames: Math.max(1, frames) }, turns);
}

/** RFC 9649, 2.5 to 2.7. */
function webpSides(type: string, start: Buffer) {
  if (start.length < 10) return undefined;
  if (type === 'VP8 ') return { width: start.readUInt16LE(6) & 0x3fff, height: start.readUInt16LE(8) & 0x3fff };
  if (type === 'VP8X') return { width: start.readUIntLE(4, 3) + 1, height: start.readUIntLE(7, 3) + 1 };
  if (type !== 'VP8L') return undefined;
  const bits = start.readUInt32LE(1);
  return { width: (bits & 0x3fff) + 1, height: ((bits >>> 14) & 0x3fff) + 1 };
}

const GIF = { extension: 0x21, picture: 0x2c, end: 0x3b };

async function walkGif(bytes: ByteReader): Promise<PictureSize> {
  const start = await bytes.take(13);
  if (start.length < 13) throw damaged();
  let size = { width: start.readUInt16LE(6), height: start.readUInt16LE(8), frames: 0 };
  await bytes.skip(colourBytes(start[10]));
  for (;;) {
    const [block] = await bytes.take(1);
    if (block === undefined || block === GIF.end) return { ...size, frames: Math.max(1, size.frames) };
    if (block === GIF.extension) await bytes.skip(1);
    else if (block === GIF.picture) {
      const about = await bytes.take(9);
      if (about.length < 9) throw damaged();
      const [left, top, width, height] = [0, 2, 4, 6].map((at) => about.readUInt16LE(at)) as Sides;
      size = { ...larger(size, { width: left + width, height: top + height }), frames: size.frames + 1 };
      await bytes.skip(colourBytes(about[8]) + 1);
    } else throw damaged();
    for (let [length] = await bytes.take(1); length !== undefined && length > 0; [length] = await bytes.take(1))
      await bytes.skip(length);
  }
}

type Sides = [left: number, top: number, width: number, height: number];

function colourBytes(flags = 0): number {
  return (flags & 0x80) === 0 ? 0 : 3 * (2 << (flags & 7));
}
