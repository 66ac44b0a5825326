import { type Covers, coverFault } from './covers.js';
import { MediaFault } from './hidden-media.js';
import { partOf, type StoredMedia } from './media-facts.js';

// Tags in front of sounds and inside WAV, as ffmpeg reads them (ID3v2.2 to ID3v2.4).

/** One behind the other. */
export const MOST_TAGS = 4;
/** With covers of 16 MiB, which are all that a file may have. */
const MOST_BYTES = 20 * 1024 * 1024;
/** Of one tag; those with many chapters have hundreds. */
const MOST_FRAMES = 4000;
const TOO_LONG = 'has a tag that is too long to be looked through';
const HEADER_BYTES = 10;
/** Of a tag. */
const [FOOTER, EXTENDED, UNSYNCHRONISED] = [0x10, 0x40, 0x80];
/** Of a frame. ffmpeg expects those of ID3v2.4 in every version. */
const [HAS_LENGTH, IS_UNSYNCHRONISED] = [0x01, 0x02];
/** Compression and encryption: those of 2.4, and those of 2.3. */
const PACKED: Readonly<Record<number, number>> = { 3: 0xcc, 4: 0x0c };

/** The same test as ffmpeg's. */
export function isTag(start: Buffer): boolean {
  return (
    start.length >= HEADER_BYTES &&
    start.toString('latin1', 0, 3) === 'ID3' &&
    start[3] !== 0xff &&
    start[4] !== 0xff &&
    start.subarray(6, HEADER_BYTES).every((byte) => byte < 0x80)
  );
}

/** As ffmpeg counts them when it probes a file: it expects a footer in every version of the tag. */
export function tagBytes(start: Buffer): number {
  return HEADER_BYTES + sevenBits(start.readUInt32BE(6)) + (((start[5] ?? 0) & FOOTER) === 0 ? 0 : HEADER_BYTES);
}

/** A number of four bytes with seven bits each. */
function sevenBits(number: number): number {
  return [24, 16, 8, 0].reduce((sum, shift) => sum * 0x80 + ((number >> shift) & 0x7f), 0);
}

/**
 * Where the tags that follow each other from `at` on begin, and where the last one ends. Adds their covers. Throws MediaFault for
 * what ffmpeg should not be given.
 */
export async function readTags(media: StoredMedia, at: number, covers: Covers): Promise<readonly number[]> {
  const places = [at];
  for (let header = await partOf(media, at, HEADER_BYTES); isTag(header); ) {
    const bytes = tagBytes(header);
    if (places.length > MOST_TAGS) throw new MediaFault('has too many tags');
    if (bytes > MOST_BYTES) throw new MediaFault(TOO_LONG);
    // ffmpeg skips it when it probes the file, but not when it reads the next tag.
    if (((header[5] ?? 0) & FOOTER) !== 0 && header[3] !== 4)
      throw new MediaFault('has a tag with a footer, which its version does not have');
    // ffmpeg also looks at the four bytes behind the tag.
    await readTag(await partOf(media, at, bytes + 4), covers);
    at += bytes;
    places.push(at);
    header = await partOf(media, at, HEADER_BYTES);
  }
  return places;
}

/**
 * Throws MediaFault for compressed or encrypted frames: ffmpeg unpacks each into up to 256 MB and keeps it. This goes from frame
 * to frame as ffmpeg does, also where the tag breaks the rules.
 */
async function readTag(tag: Buffer, covers: Covers): Promise<void> {
  const [version = 0, flags = 0] = [tag[3], tag[5]];
  if (version < 2 || version > 4) return;
  // The names and sizes of 2.2 have three bytes, and its frames no flags.
  const [coverName, nameBytes, headerBytes] = version === 2 ? ['PIC', 3, 6] : ['APIC', 4, HEADER_BYTES];
  const numberAt = (place: number, bytes: number) => (place + bytes > tag.length ? 0 : tag.readUIntBE(place, bytes));
  let at = HEADER_BYTES;
  const end = at + sevenBits(tag.readUInt32BE(6));
  // The length of the extended header includes itself since 2.4.
  if (version > 2 && (flags & EXTENDED) !== 0) at += sevenBits(numberAt(at, 4)) + (version === 4 ? 0 : 4);
  for (let frames = 0; at + headerBytes <= end; ) {
    const content = at + headerBytes;
    let size = numberAt(at + nameBytes, nameBytes);
    if (size > 0) frames += 1;
    if (frames > MOST_FRAMES) throw new MediaFault(TOO_LONG);
    if (version === 4 && size > 0x7f) {
      const isName = (place: number) => /^(?:[A-Z0-9]{4}|\0{4})$/.test(tag.toString('latin1', place, place + 4));
      // Some programs write sizes of 2.4 as those of 2.3; ffmpeg looks for the next frame.
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

/** The encoding of the description, the type of the picture, what it shows, the description, the picture (ID3v2.4, 4.14). */
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
    // ffmpeg ends a description where a pair of UTF-16 is broken.
    if (unitBytes === 2 && high >= 0xd8 && high <= 0xdf) throw coverFault();
  }
  await covers.addTyped(frame.toString('latin1', 1, typeEnd), frame.subarray(at + unitBytes));
}
