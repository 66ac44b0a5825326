import type { OverlayOptions } from 'sharp';
import type { Painting } from '../nodes/values.js';
import { randomFrom } from './random.js';

const TILE = 256;

/** How much of the finished picture is still noise: 0.5 after one step, 0.24 after 8, 0.06 after 30. */
export function noiseLevel(steps: number): number {
  return 0.5 * Math.exp(-(steps - 1) / 9) + 0.018;
}

/** A sheet of coloured noise to lay over a picture of this size, `level` (0–1) opaque. */
export function noiseOverlay(
  painting: Painting,
  index: number,
  width: number,
  height: number,
  level: number,
): OverlayOptions {
  const random = randomFrom('noise', painting.seed, index, painting.style, painting.negative);
  const [w, h] = [Math.min(TILE, width), Math.min(TILE, height)];
  const tile = Buffer.alloc(w * h * 4);
  const opacity = Math.round(level * 255);
  for (let at = 0; at < tile.length; at += 4) {
    tile[at] = random() * 256;
    tile[at + 1] = random() * 256;
    tile[at + 2] = random() * 256;
    tile[at + 3] = opacity;
  }
  return { input: tile, raw: { width: w, height: h, channels: 4 }, tile: true };
}
