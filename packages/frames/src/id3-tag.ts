import { type Covers, coverFault } from './covers.js';
import { MediaFault } from './hidden-media.js';
import { partOf, type StoredMedia } from './media-facts.js';

// Reads the tags before a sound or inside a WAV as ffmpeg does (ID3v2.2 to ID3v2.4).

/** Limit for consecutive tags. */
export const MOST_TAGS = 4;
/** Enough for covers of 16 MiB, the limit for a file. */
const MOST_BYTES = 20 * 1024 * 1024;
/** Limit for one tag; a tag with many chapters has hundreds of frames. */
const MOST_FRAMES = 4000;
const TOO_LONG = 'has a tag that is too long to check';
const HEADER_BYTES = 10;
/** Flags of a tag. */
const [FOOTER, EXTENDED, UNSYNCHRONISED] = [0x10, 0x40, 0x80];
/** Flags of a frame in ID3v2.4, which ffmpeg expects in every version. */
const [HAS_LENGTH, IS_UNSYNCHRONISED] = [0x01, 0x02];
/** Flags of compression and encryption, by version: ID3v2.3 frames are checked for those of both versions. */
const PACKED: Readonly<Record<number, number>> = { 3: 0xcc, 4: 0x0c };

/** Recognises a tag as ffmpeg does. */
export function isTag(start: Buffer): boolean {
  return (
    start.length >= HEADER_BYTES &&
    start.toString('latin1', 0, 3) === 'ID3' &&
    start[3] !== 0xff &&
    start[4] !== 0xff &&
    start.subarray(6, HEADER_BYTES).every((byte) => byte < 0x80)
  );
}

/** The length of a tag as ffmpeg computes it when it probes a file: it expects a footer in every version. */
export function tagBytes(start: Buffer): number {
  return HEADER_BYTES + sevenBits(start.readUInt32BE(6)) + (((start[5] ?? 0) & FOOTER) === 0 ? 0 : HEADER_BYTES);
}

/** Decodes a number that has seven bits in each of four bytes. */
function sevenBits(number: number): number {
  return [24, 16, 8, 0].reduce((sum, shift) => sum * 0x80 + ((number >> shift) & 0x7f), 0);
}

/**
 * Reads consecutive tags from `at` on and adds their covers. Returns the offset of each tag, and of the end of the last one.
 * Throws MediaFault for tags that ffmpeg should not read.
 */
export async function readTags(media: StoredMedia, at: number, covers: Covers): Promise<readonly number[]> {
  const places = [at];
  for (let header = await partOf(media, at, HEADER_BYTES); isTag(header); ) {
    const bytes = tagBytes(header);
    if (places.length > MOST_TAGS) throw new MediaFault('has too many tags');
    if (bytes > MOST_BYTES) throw new MediaFault(TOO_LONG);
    // ffmpeg skips such a footer when it probes the file, but not when it reads the next tag.
    if (((header[5] ?? 0) & FOOTER) !== 0 && header[3] !== 4)
      throw new MediaFault('has a tag with a footer, which its version does not have');
    // ffmpeg also reads the four bytes after the tag.
    await readTag(await partOf(media, at, bytes + 4), covers);
    at += bytes;
    places.push(at);
    header = await partOf(media, at, HEADER_BYTES);
  }
  return places;
}

/**
 * Throws MediaFault for compressed or encrypted frames: ffmpeg unpacks each into up to 256 MB and keeps it. Follows the frames
 * as ffmpeg does, even if the tag violates the standard.
 */
async function readTag(tag: Buffer, covers: Covers): Promise<void> {
  const [version = 0, flags = 0] = [tag[3], tag[5]];
  if (version < 2 || version > 4) return;
  // In ID3v2.2, names and sizes have three bytes, and frames have no flags.
  const [coverName, nameBytes, headerBytes] = version === 2 ? ['PIC', 3, 6] : ['APIC', 4, HEADER_BYTES];
  const numberAt = (place: number, bytes: number) => (place + bytes > tag.length ? 0 : tag.readUIntBE(place, bytes));
  let at = HEADER_BYTES;
  const end = at + sevenBits(tag.readUInt32BE(6));
  // Since ID3v2.4, the length of the extended header includes the length field.
  if (version > 2 && (flags & EXTENDED) !== 0) at += sevenBits(numberAt(at, 4)) + (version === 4 ? 0 : 4);
  for (let frames = 0; at + headerBytes <= end; ) {
    const content = at + headerBytes;
    let size = numberAt(at + nameBytes, nameBytes);
    if (size > 0) frames += 1;
    if (frames > MOST_FRAMES) throw new MediaFault(TOO_LONG);
    if (version === 4 && size > 0x7f) {
      const isName = (place: number) => /^(?:[A-Z0-9]{4}|\0{4})$/.test(tag.toString('latin1', place, place + 4));
      // Some programs write sizes as in ID3v2.3. ffmpeg tries both to find the next frame.
      if (size >= end - at || isName(content + sevenBits(size))) size = sevenBits(size);
      else if (!isName(content + size)) return;
    }
    const frameFlags = version === 2 ? 0 : numberAt(at + 9, 1);
    if (size > 0 && (frameFlags & (PACKED[version] ?? 0)) !== 0)
      throw new MediaFault('has a tag with compressed or encrypted frames');
    if (size > 0 && content + size <= end && tag.toString('latin1', at, at + nameBytes) === coverName) {
      const start = content + ((frameFlags & HAS_LENGTH) === 0 ? 0 : 4);
      const isPlain = (flags & UNSYNCHRONISED) === 0 && (frameFlags & IS_UNSYNCHRONISED) === 0;
      const frame = tag.subarray(start, content + size);
      await addCover(isPlain ? frame : synchronised(frame), version, covers);
    }
    at = content + size;
  }
}

function synchronised(frame: Buffer): Buffer {
  return Buffer.from(frame.toString('latin1').replaceAll('\xff\0', '\xff'), 'latin1');
}

/** Adds a picture frame: encoding of the description, media type, picture type, description, picture (ID3v2.4, 4.14). */
async function addCover(frame: Buffer, version: number, covers: Covers): Promise<void> {
  const encoding = frame[0] ?? 0;
  const typeEnd = version === 2 ? 4 : frame.indexOf(0, 1);
  if (typeEnd < 0 || encoding > 3) throw coverFault();
  let at = typeEnd + (version === 2 ? 1 : 2);
  const unitBytes = encoding === 1 || encoding === 2 ? 2 : 1;
  const isLittle = encoding === 1 && frame.toString('latin1', at, at + 2) === '\xff\xfe';
  const isZero = (place: number) => place + unitBytes > frame.length || frame.readUIntBE(place, unitBytes) === 0;
  for (; !isZero(at); at += unitBytes) {
    const high = frame[isLittle ? at + 1 : at] ?? 0;
    // ffmpeg ends a description at an unpaired surrogate.
    if (unitBytes === 2 && high >= 0xd8 && high <= 0xdf) throw coverFault();
  }
  await covers.addTyped(frame.toString('latin1', 1, typeEnd), frame.subarray(at + unitBytes));
}
