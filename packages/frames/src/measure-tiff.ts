import { isTurned, type PictureSize, tiffNumbers, withUnclearShape, xmpTurns } from './exif.js';
import { damaged, MediaFault } from './hidden-media.js';

const MOST_PAGES = 10_000;
/** Of all pages together, which can overlap. */
const MOST_TAGS = 1_000_000;
const TAG_BYTES = 12;
const [WIDTH, HEIGHT, ORIENTATION] = [0x100, 0x101, 0x112];
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
  let [width, height, tags] = [0, 0, 0];
  let turns = xmpTurns(content);
  for (let at = number(4, 4); at > 0 && !pages.has(at); ) {
    pages.add(at);
    const end = at + 2 + TAG_BYTES * number(at, 2);
    tags += number(at, 2);
    if (pages.size > MOST_PAGES || tags > MOST_TAGS) throw damaged();
    for (let tag = at + 2; tag < end; tag += TAG_BYTES) {
      const name = number(tag, 2);
      if (name !== WIDTH && name !== HEIGHT && name !== ORIENTATION) continue;
      const bytes = BYTES[number(tag + 2, 2)];
      if (bytes === undefined) throw damaged();
      const value = number(tag + 8, bytes);
      if (name === WIDTH) width = Math.max(width, value);
      else if (name === HEIGHT) height = Math.max(height, value);
      else turns ||= isTurned(value);
    }
    at = number(end, 4);
  }
  return withUnclearShape({ width, height, frames: pages.size }, turns);
}
