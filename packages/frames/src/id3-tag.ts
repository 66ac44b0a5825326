import { MediaFault } from './hidden-media.js';

// Tags in front of sounds and inside WAV, as ffmpeg reads them (ID3v2.3 and ID3v2.4).

/** Answers a few thousand bytes of a file from `start` on, or fewer at its end. */
export type ReadFrom = (start: number) => Promise<Buffer>;

const HEADER_BYTES = 10;
const [EXTENDED, FOOTER] = [0x40, 0x10];

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

/** As ffmpeg counts them: it expects a footer in every version of the tag. */
export function tagBytes(start: Buffer): number {
  return HEADER_BYTES + sevenBits(start.readUInt32BE(6)) + (((start[5] ?? 0) & FOOTER) === 0 ? 0 : HEADER_BYTES);
}

/** A number of four bytes with seven bits each. */
function sevenBits(number: number): number {
  return [24, 16, 8, 0].reduce((sum, shift) => sum * 0x80 + ((number >> shift) & 0x7f), 0);
}

/** Of one tag; those with many chapters have hundreds of frames. */
const MOST_READS = 1000;
/** Compression and encryption: those of 2.4, which ffmpeg expects in every version, and those of 2.3. */
const PACKED: Readonly<Record<number, number>> = { 3: 0xcc, 4: 0x0c };

/**
 * Throws MediaFault for a tag that begins at `at` and has compressed or encrypted frames: ffmpeg unpacks each into up to 256 MB
 * and keeps it. This goes from frame to frame as ffmpeg does, also where the tag breaks the rules.
 */
export async function refusePackedTag(read: ReadFrom, at: number): Promise<void> {
  let known: Buffer = Buffer.alloc(0);
  let from = 0;
  let reads = 0;
  const bytesAt = async (place: number, count: number) => {
    if (place < from || place + count > from + known.length) {
      reads += 1;
      if (reads > MOST_READS) throw new MediaFault('has a tag that is too long to be looked through');
      [known, from] = [await read(place), place];
    }
    return known.subarray(place - from, place - from + count);
  };
  const header = await bytesAt(at, HEADER_BYTES);
  const packed = PACKED[header[3] ?? 0];
  if (packed === undefined) return;
  let place = at + HEADER_BYTES;
  const end = place + sevenBits(header.readUInt32BE(6));
  if (((header[5] ?? 0) & EXTENDED) !== 0) {
    const extended = await bytesAt(place, 4);
    if (extended.length < 4) return;
    // Its length includes itself since 2.4.
    place += sevenBits(extended.readUInt32BE(0)) + (header[3] === 4 ? 0 : 4);
  }
  while (place + HEADER_BYTES <= end) {
    const frame = await bytesAt(place, HEADER_BYTES);
    if (frame.length < HEADER_BYTES) return;
    const content = place + HEADER_BYTES;
    let size = frame.readUInt32BE(4);
    if (header[3] === 4 && size > 0x7f) {
      const isName = async (next: number) =>
        /^(?:[A-Z0-9]{4}|\0{4})$/.test((await bytesAt(next, 4)).toString('latin1'));
      // Some programs write sizes of 2.4 as those of 2.3; ffmpeg looks for the next frame.
      if (size >= end - place || (await isName(content + sevenBits(size)))) size = sevenBits(size);
      else if (!(await isName(content + size))) return;
    }
    if (size > 0 && ((frame[9] ?? 0) & packed) !== 0)
      throw new MediaFault('has a tag with compressed or encrypted frames');
    place = content + size;
  }
}
