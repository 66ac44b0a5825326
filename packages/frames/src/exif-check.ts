import { directoriesOf, ENTRY_BYTES, entriesOf, tiffNumbers } from './exif.js';
import { MediaFault } from './hidden-media.js';

// ffmpeg copies the value of each EXIF entry, and converts numbers to text, about six characters per byte.

/** Limit for all EXIF blocks of a file. ComfyUI stores whole workflows in the EXIF of a WebP. */
const MOST_BYTES = 8 * 1024 * 1024;
/** A photo has about a hundred entries, and as many in its maker note. */
const MOST_ENTRIES = 4096;
/** Two, because the values of a maker note's entries are also part of the value of the maker note. */
const MOST_POINTERS_TO_A_BYTE = 2;

/** The size of a value, by type number (TIFF 6.0, 2; EXIF 3.0, 4.6.2). */
const TYPE_BYTES = [0, 1, 1, 2, 4, 8, 1, 1, 2, 4, 8, 4, 8, 4];
const DIRECTORY_TYPE = 13;
/** Tags whose value is the offset of another directory: EXIF, GPS, interoperability, and two of DNG. */
const DIRECTORIES: ReadonlySet<number> = new Set([0x8769, 0x8825, 0xa005, 0x0190, 0xc6f5]);
const MAKER_NOTE = 0x927c;
/** Names of maker notes that are followed by a directory, as ffmpeg 8 reads them. */
const MAKER_NAMES = [
  'AOC\0\0\0',
  'FOVEON\0\0\0\0',
  'Nikon\0\0\0',
  'OLYMP\0\0\0',
  'Panasonic\0\0\0',
  'SIGMA\0\0\0\0\0',
  'SONY DSC \0\0\0',
].map((name) => ({ start: name.replace(/\0+$/, '\0'), bytes: name.length }));

/** ffmpeg converts each GeoTIFF key to a text of up to 64 KB, and keys can share their bytes. A usual file has twenty. */
const GEO_KEYS = 0x87af;
const MOST_GEO_KEYS = 256;

/** Checks the EXIF blocks of one file. Each block is a TIFF without pixels. */
export class ExifCheck {
  readonly #mostEntries: number;
  #bytes = 0;
  #entries = 0;

  constructor(mostEntries = MOST_ENTRIES) {
    this.#mostEntries = mostEntries;
  }

  /** Returns `bytes`, the size of the next block to read. Throws MediaFault if that is too large. */
  admit(bytes: number): number {
    if (this.#bytes + bytes > MOST_BYTES) throw new MediaFault('has more than 8 MiB of EXIF');
    return bytes;
  }

  /** Throws MediaFault if entries share their bytes: a few kilobytes could become gigabytes. */
  check(block: Buffer): void {
    this.#bytes += this.admit(block.length);
    let begin = 0;
    while (block.toString('latin1', begin, begin + 6) === 'Exif\0\0') begin += 6;
    const tiff = block.subarray(begin);
    this.checkDirectories(tiff, directoriesOf(tiffNumbers(tiff)));
  }

  /** Does the same for the given directories of a TIFF of any size, and for the directories in them. */
  checkDirectories(tiff: Buffer, directories: Iterable<number>): void {
    const number = tiffNumbers(tiff);
    let claimed = 0;
    const readDirectory = (at: number): number[] => {
      const entries = number(at, 2);
      this.#entries += 1;
      // ffmpeg ignores a truncated directory.
      if (at + 2 + ENTRY_BYTES * entries > tiff.length) return [];
      this.#entries += entries;
      if (this.#entries > this.#mostEntries) throw new MediaFault('has too many EXIF entries');
      const found: number[] = [];
      for (const { tag, type, count, value } of entriesOf(number, at)) {
        const place = number(value, 4);
        const bytes = (TYPE_BYTES[type] ?? 0) * count;
        // Values of up to four bytes are in the entry itself, and values outside the block are not read.
        if (bytes > 4 && place + bytes <= tiff.length) claimed += bytes;
        if (tag === GEO_KEYS && count > 4 * MOST_GEO_KEYS) throw new MediaFault('has too many GeoTIFF keys');
        if (DIRECTORIES.has(tag) || type === DIRECTORY_TYPE) found.push(place);
        if (tag === MAKER_NOTE) found.push(place + nameBytes(tiff, place));
      }
      return found;
    };
    // Every pointer to a directory counts, because ffmpeg reads the directory again for each.
    for (const directory of directories) {
      const found = [directory];
      for (let place = found.pop(); place !== undefined; place = found.pop())
        if (place > 0) found.push(...readDirectory(place));
    }
    if (claimed > MOST_POINTERS_TO_A_BYTE * tiff.length)
      throw new MediaFault('has EXIF entries that share their bytes');
  }
}

function nameBytes(tiff: Buffer, at: number): number {
  const name = MAKER_NAMES.find(({ start }) => tiff.toString('latin1', at, at + start.length) === start);
  return name?.bytes ?? 0;
}
