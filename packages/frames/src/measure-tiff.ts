import {
  directoriesOf,
  entriesOf,
  isTurned,
  ORIENTATION,
  type PictureSize,
  tiffNumbers,
  withUnclearShape,
  xmpTurns,
} from './exif.js';
import { ExifCheck } from './exif-check.js';
import { damaged, MediaFault } from './hidden-media.js';

const MOST_PAGES = 10_000;
/** Limit for all pages together, because pages can overlap. */
const MOST_ENTRIES = 1_000_000;
const [WIDTH, HEIGHT, SUB_DIRECTORIES] = [0x100, 0x101, 0x14a];
/** Tags of DNG and CinemaDNG. ffmpeg decodes the JPEG in such files without checking its size or EXIF. */
const RAW_PHOTO: ReadonlySet<number> = new Set([0xc612, 0xc763, 0xc764, 0xc772, 0xc789, 0xc7a1]);
/** The number types, with their sizes in bytes. */
const BYTES: Readonly<Record<number, number>> = { 3: 2, 4: 4 };
/** The types of an offset. */
const OFFSET_TYPES: ReadonlySet<number> = new Set([4, 13]);
const CLASSIC = 42;

/**
 * Returns the largest width and height among the pages, and the number of pages (TIFF 6.0, 2). Pillow decodes every page, even
 * those that libtiff, and so sharp, considers damaged. Throws MediaFault.
 */
export function measureTiff(content: Buffer): PictureSize {
  const number = tiffNumbers(content);
  if (number(2, 2) !== CLASSIC) throw new MediaFault('is a TIFF of a kind that cannot be measured');
  const pages = new Set<number>();
  for (const page of directoriesOf(number)) {
    if (pages.has(page)) break;
    pages.add(page);
    if (pages.size > MOST_PAGES) throw damaged();
  }
  const frames = pages.size;
  new ExifCheck(MOST_ENTRIES).checkDirectories(content, pages);
  let [width, height, entries] = [0, 0, 0];
  let turns = xmpTurns(content);
  for (const page of pages) {
    for (const { tag, type, count, value } of entriesOf(number, page)) {
      entries += 1;
      if (entries > MOST_ENTRIES) throw damaged();
      if (RAW_PHOTO.has(tag)) throw new MediaFault('is a raw photo (DNG)');
      // If the page is a thumbnail, ffmpeg decodes its first subdirectory instead.
      if (tag === SUB_DIRECTORIES) {
        if (!OFFSET_TYPES.has(type)) throw damaged();
        const place = number(count > 1 ? number(value, 4) : value, 4);
        if (place > 0) pages.add(place);
      }
      if (tag !== WIDTH && tag !== HEIGHT && tag !== ORIENTATION) continue;
      const bytes = BYTES[type];
      if (bytes === undefined) throw damaged();
      const found = number(value, bytes);
      if (tag === WIDTH) width = Math.max(width, found);
      else if (tag === HEIGHT) height = Math.max(height, found);
      else turns ||= isTurned(found);
    }
  }
  return withUnclearShape({ width, height, frames }, turns);
}
