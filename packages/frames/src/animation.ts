import type { FrameType } from './frame-types.js';

/** The extended header of a WebP says in its flags whether it moves (RFC 9649, 2.7.1). */
const WEBP_FLAGS = 20;
const WEBP_ANIMATION = 0x02;

/** What the signatures of PNG, MNG and JNG have in common; ffmpeg decodes pictures that begin with any of them. */
const SIGNATURE = Buffer.from('NG\r\n\x1a\n');
/** PNG, third edition, 5.3. At a longer one ffmpeg looks for the next picture. */
const MOST_CHUNK_BYTES = 2 ** 31 - 1;

/**
 * How many frames a PNG has, of its whole content. They are counted, since the number that its control chunk says can be
 * wrong. Without such a chunk before the pixels it is a still picture, and the rest is not read.
 */
export async function pngFrames(content: AsyncIterable<Buffer>): Promise<number> {
  let rest = Buffer.alloc(0);
  /** From the start of `rest` to the next chunk; the first one follows the signature. */
  let ahead = 8;
  let isAnimated = false;
  let hasPixels = false;
  let isOver = false;
  let frames = 0;
  for await (const part of content) {
    const skipped = Math.min(ahead, rest.length);
    rest = Buffer.concat([rest.subarray(skipped), part]);
    ahead -= skipped;
    while (!isOver && rest.length >= ahead + 8) {
      const type = rest.toString('latin1', ahead + 4, ahead + 8);
      if (type === 'IDAT') hasPixels = true;
      if (type === 'acTL' && !hasPixels) isAnimated = true;
      if (type === 'fcTL') frames += 1;
      if (type === 'IEND') isOver = true;
      const length = rest.readUInt32BE(ahead);
      if (length > MOST_CHUNK_BYTES) return Number.POSITIVE_INFINITY;
      ahead += 12 + length;
    }
    if (!isOver || rest.length < ahead) continue;
    // ffmpeg decodes the pictures that follow the first one, too.
    if (rest.indexOf(SIGNATURE, ahead) !== -1) return Number.POSITIVE_INFINITY;
    rest = rest.subarray(Math.max(ahead, rest.length - SIGNATURE.length + 1));
    ahead = 0;
  }
  return isAnimated ? Math.max(1, frames) : 1;
}

/** Whether a picture moves, by its first bytes. */
export function isAnimation(start: Buffer, type: FrameType): boolean {
  switch (type) {
    case 'webp':
      return start.toString('latin1', 12, 16) === 'VP8X' && ((start[WEBP_FLAGS] ?? 0) & WEBP_ANIMATION) !== 0;
    case 'png': {
      // The control chunk of an animation stands before the pixels (PNG, third edition, 11.3.6).
      const [control, pixels] = [start.indexOf('acTL'), start.indexOf('IDAT')];
      return control !== -1 && (pixels === -1 || control < pixels);
    }
    case 'gif':
      // Every program that writes more than one frame says how often they repeat.
      return start.includes('NETSCAPE2.0') || start.includes('ANIMEXTS1.0');
    case 'jpeg':
      return false;
  }
}
