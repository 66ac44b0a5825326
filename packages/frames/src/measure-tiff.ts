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
/** Of all pages together, which can overlap. */
const MOST_ENTRIES = 1_000_000;
const [WIDTH, HEIGHT] = [0x100, 0x101];
/** Types of a number, and how many bytes it has. */
const BYTES: Readonly<Record<number, number>> = { 3: 2, 4: 4 };
const CLASSIC = 42;

/**
 * The largest sides of a page, and how many pages there are (TIFF 6.0, 2). Pillow decodes every page, also pages that libtiff,
 * and so sharp, takes for damaged, and those that follow them. Throws MediaFault.
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
  new ExifCheck(MOST_ENTRIES).checkDirectories(content, pages);
  let [width, height] = [0, 0];
  let turns = xmpTurns(content);
  for (const page of pages) {
    for (const { tag, type, value } of entriesOf(number, page)) {
      if (tag !== WIDTH && tag !== HEIGHT && tag !== ORIENTATION) continue;
      const bytes = BYTES[type];
      if (bytes === undefined) throw damaged();
      const found = number(value, bytes);
      if (tag === WIDTH) width = Math.max(width, found);
      else if (tag === HEIGHT) height = Math.max(height, found);
      else turns ||= isTurned(found);
    }
  }
  return withUnclearShape({ width, height, frames: pages.size }, turns);
}
