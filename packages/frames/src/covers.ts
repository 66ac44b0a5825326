import { Readable } from 'node:stream';
import type { PictureSize } from './exif.js';
import { frameTypeOf } from './frame-types.js';
import { MediaFault } from './hidden-media.js';
import { measurePicture } from './measure-picture.js';
import { partOf, type StoredMedia } from './media-facts.js';

// Cover pictures of videos and sounds: ffmpeg decodes all of them when it opens a file, and shows them as further videos.

/** Where a cover stands in the file. */
export interface CoverPlace {
  readonly start: number;
  readonly bytes: number;
}

/** Covers of music have a few hundred kilobytes and at most ten megapixels; these are the limits of all in a file. */
const MOST_COVERS = 20;
const MOST_BYTES = 16 * 1024 * 1024;
const MOST_PIXELS = 50_000_000;

export const coverFault = () =>
  new MediaFault('has a cover picture that is neither PNG nor JPEG, or too large; remove it');

/** The most of each; undefined if there are none. Throws MediaFault for those that ffmpeg should not be given. */
export async function measureCovers(
  media: StoredMedia,
  places: readonly CoverPlace[],
): Promise<PictureSize | undefined> {
  if (places.length > MOST_COVERS) throw coverFault();
  let [bytes, pixels] = [0, 0];
  let all: PictureSize | undefined;
  for (const place of places) {
    bytes += place.bytes;
    if (bytes > MOST_BYTES) throw coverFault();
    const content = await partOf(media, place.start, place.bytes);
    const type = frameTypeOf(content);
    if (type !== 'png' && type !== 'jpeg') throw coverFault();
    const { width, height, frames } = await measurePicture(type, Readable.from([content]));
    pixels += width * height * frames;
    if (pixels > MOST_PIXELS) throw coverFault();
    all = {
      width: Math.max(width, all?.width ?? 0),
      height: Math.max(height, all?.height ?? 0),
      frames: Math.max(frames, all?.frames ?? 0),
    };
  }
  return all;
}

/** In a box of MP4 whose name stands at `name`: boxes of data, each with 16 bytes in front of the picture. */
export async function coversInBox(media: StoredMedia, name: number): Promise<CoverPlace[]> {
  const places: CoverPlace[] = [];
  const end = name - 4 + (await partOf(media, name - 4, 4)).readUInt32BE(0);
  for (let at = name + 4; at + 16 <= end && places.length <= MOST_COVERS; ) {
    const header = await partOf(media, at, 16);
    const size = header.length < 16 ? 0 : header.readUInt32BE(0);
    if (size < 16) throw coverFault();
    places.push({ start: at + 16, bytes: size - 16 });
    at += size;
  }
  return places;
}
