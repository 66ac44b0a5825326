import type { Painting } from '../nodes/values.js';
import { paletteFrom, type Rgb, rgb, tone, vigour } from './palette.js';
import { between, type Random, randomFrom } from './random.js';

/** Pixels up to which a picture is drawn here: of the other scenes' detail nothing would be seen on it. */
export const SMALL = 96 * 96;

const ROWS = 3;

/**
 * RGB pixels of a sun over hills, with the noise that so many steps leave: made by hand, since parsing and rendering an SVG
 * takes longer than all these pixels. Tests draw thousands of them.
 */
export function smallScene(painting: Painting, width: number, height: number, index: number, level: number): Buffer {
  const chosen = randomFrom('scene', painting.seed, index);
  const palette = paletteFrom(chosen, vigour(painting.cfg));
  const sky = [rgb(tone(palette, 1)), rgb(tone(palette, 4)), rgb(palette.light)] as const;
  const hills = Array.from({ length: ROWS }, (_, row) => rgb(tone(palette, 4 - row * 1.6)));
  const random = randomFrom('forms', painting.seed, index, painting.positive);
  const sun = { x: between(random, 0.2, 0.8), y: between(random, 0.14, 0.34), radius: between(random, 0.06, 0.12) };
  const horizon = between(random, 0.45, 0.6);
  const ridges = hills.map((_, row) => ridge(random, horizon + ((1 - horizon) * row) / ROWS, width));
  const noise = randomFrom('noise', painting.seed, index, painting.style, painting.negative);

  const pixels = Buffer.alloc(width * height * 3);
  for (let y = 0, at = 0; y < height; y++) {
    const depth = (y + 0.5) / height;
    const air = depth < 0.45 ? mixed(sky[0], sky[1], depth / 0.45) : mixed(sky[1], sky[2], (depth - 0.45) / 0.55);
    for (let x = 0; x < width; x++) {
      const hill = ridges.findLastIndex((tops) => depth > (tops[x] ?? 1));
      const distance = Math.hypot((x + 0.5) / width - sun.x, ((depth - sun.y) * height) / width) / sun.radius;
      const shine = distance < 1 ? 1 : Math.max(0, 0.8 - distance / 4);
      const [r, g, b] = hills[hill] ?? mixed(air, [255, 253, 242], shine);
      pixels[at++] = r + (noise() * 256 - r) * level;
      pixels[at++] = g + (noise() * 256 - g) * level;
      pixels[at++] = b + (noise() * 256 - b) * level;
    }
  }
  return pixels;
}

/** How far down its top is in each column, 0–1. */
function ridge(random: Random, base: number, width: number): readonly number[] {
  const waves = [1, 2.6, 4.2].map((length, at) => ({
    size: 0.07 / (at + 1),
    length: between(random, 0.7, 1.5) * length,
    shift: random() * 7,
  }));
  return Array.from({ length: width }, (_, x) =>
    waves.reduce((y, { size, length, shift }) => y - size * Math.sin((x / width) * Math.PI * 2 * length + shift), base),
  );
}

function mixed(a: Rgb, b: Rgb, part: number): Rgb {
  return [a[0] + (b[0] - a[0]) * part, a[1] + (b[1] - a[1]) * part, a[2] + (b[2] - a[2]) * part];
}
