import { Readable } from 'node:stream';
import type { PictureSize } from './exif.js';
import { frameTypeOf } from './frame-types.js';
import { MediaFault } from './hidden-media.js';
import { measurePicture } from './measure-picture.js';
import { partOf, type StoredMedia } from './media-facts.js';

/** Limits for all covers of a file. A usual cover has a few hundred kilobytes and at most ten megapixels. */
const MOST_COVERS = 20;
const MOST_BYTES = 16 * 1024 * 1024;
const MOST_PIXELS = 50_000_000;

export const coverFault = () =>
  new MediaFault('has a cover picture that is too large, or neither PNG nor JPEG; remove it');

/** ffmpeg chooses the decoder by the stated type, not by the content. */
const TYPE = /^(?:image\/)?(?:png|jpe?g)$/i;
/** A Vorbis comment whose value is a FLAC picture block in base64. */
const COMMENT = /metadata_block_picture=([a-z0-9+/]*)/gi;

/**
 * Measures the cover pictures of a video or a sound. ffmpeg decodes all of them when it opens the file, and presents them as
 * further video streams. All methods throw MediaFault for covers that ffmpeg should not decode.
 */
export class Covers {
  /** The largest width, height and number of frames; undefined if there are no covers. */
  size: PictureSize | undefined;
  #count = 0;
  #bytes = 0;
  #pixels = 0;

  /** Adds a picture of `bytes` bytes, which `read` returns. */
  async add(bytes: number, read: () => Promise<Buffer>): Promise<void> {
    this.#count += 1;
    this.#bytes += bytes;
    if (this.#count > MOST_COVERS || this.#bytes > MOST_BYTES) throw coverFault();
    const content = await read();
    const type = frameTypeOf(content);
    if (type !== 'png' && type !== 'jpeg') throw coverFault();
    const { width, height, frames } = await measurePicture(type, Readable.from([content]));
    this.#pixels += width * height * frames;
    if (this.#pixels > MOST_PIXELS) throw coverFault();
    this.size = {
      width: Math.max(width, this.size?.width ?? 0),
      height: Math.max(height, this.size?.height ?? 0),
      frames: Math.max(frames, this.size?.frames ?? 0),
    };
  }

  /** Adds a picture for which the file states the type. */
  async addTyped(type: string, content: Buffer): Promise<void> {
    if (!TYPE.test(type)) throw coverFault();
    await this.add(content.length, async () => content);
  }

  /** Adds the pictures of an MP4 box whose name is at offset `name`: `data` boxes with 16 bytes before each picture. */
  async addBox(media: StoredMedia, name: number): Promise<void> {
    const end = name - 4 + (await partOf(media, name - 4, 4)).readUInt32BE(0);
    for (let at = name + 4; at + 16 <= end; ) {
      const start = at + 16;
      const header = await partOf(media, at, 16);
      const size = header.length < 16 ? 0 : header.readUInt32BE(0);
      if (size < 16) throw coverFault();
      await this.add(size - 16, () => partOf(media, start, size - 16));
      at += size;
    }
  }

  /** Adds a FLAC picture block (RFC 9639, 8.8): a number, the type, a description, four numbers and the picture. */
  async addBlock(block: Buffer): Promise<void> {
    const numberAt = (at: number) => (at + 4 > block.length ? block.length : block.readUInt32BE(at));
    const typeEnd = 8 + numberAt(4);
    const start = typeEnd + 4 + numberAt(typeEnd) + 20;
    const end = start + numberAt(start - 4);
    if (end > block.length) throw coverFault();
    await this.addTyped(block.toString('latin1', 8, typeEnd), block.subarray(start, end));
  }

  /** Adds the pictures in Vorbis comments, which Opus and FLAC use too. */
  async addComments(comments: Buffer): Promise<void> {
    for (const [, base64 = ''] of comments.toString('latin1').matchAll(COMMENT))
      await this.addBlock(Buffer.from(base64, 'base64'));
  }
}
