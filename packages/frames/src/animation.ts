import type { FrameType } from './frame-types.js';

/** The extended header of a WebP says in its flags whether it moves (RFC 9649, 2.7.1). */
const WEBP_FLAGS = 20;
const WEBP_ANIMATION = 0x02;

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
