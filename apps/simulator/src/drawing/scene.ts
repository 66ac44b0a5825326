import { createHash } from 'node:crypto';
import type { Painting } from '../nodes/values.js';

type Random = () => number;
type Rgb = readonly [red: number, green: number, blue: number];

const ROWS = 3;
const SUN: Rgb = [255, 253, 242];

/**
 * RGB pixels of a sun over hills. The seed chooses the colours, the prompt shifts the shapes. All lengths are relative,
 * so the scene is the same at every size. It is drawn by hand because rendering an SVG takes longer than its pixels.
 */
export function drawScene(
  { seed, positive }: Painting,
  { width, height, index }: { readonly width: number; readonly height: number; readonly index: number },
): Buffer {
  const { sky, hills } = coloursFrom(randomFrom('scene', seed, index));
  const random = randomFrom('shapes', seed, index, positive);
  const sun = { x: between(random, 0.2, 0.8), y: between(random, 0.14, 0.34), radius: between(random, 0.06, 0.12) };
  const horizon = between(random, 0.45, 0.6);
  const ridges = hills.map((_, row) => ridge(random, horizon + ((1 - horizon) * row) / ROWS, width));

  const pixels = Buffer.alloc(width * height * 3);
  for (let y = 0, at = 0; y < height; y++) {
    const depth = (y + 0.5) / height;
    const air = depth < 0.45 ? mix(sky[0], sky[1], depth / 0.45) : mix(sky[1], sky[2], (depth - 0.45) / 0.55);
    for (let x = 0; x < width; x++) {
      const hill = ridges.findLastIndex((tops) => depth > (tops[x] ?? 1));
      const distance = Math.hypot((x + 0.5) / width - sun.x, ((depth - sun.y) * height) / width) / sun.radius;
      const shine = distance < 1 ? 1 : Math.max(0, 0.8 - distance / 4);
      const [red, green, blue] = hills[hill] ?? mix(air, SUN, shine);
      pixels[at++] = red;
      pixels[at++] = green;
      pixels[at++] = blue;
    }
  }
  return pixels;
}

function coloursFrom(random: Random): { readonly sky: readonly [Rgb, Rgb, Rgb]; readonly hills: readonly Rgb[] } {
  const hue = random() * 360;
  const shift = between(random, 20, 180);
  const saturation = between(random, 45, 70);
  const colour = (share: number, lightness: number) => rgbOf(hue + shift * share, saturation, lightness);
  return {
    sky: [colour(0, 25), colour(0.4, 61), colour(0.8, 88)],
    hills: Array.from({ length: ROWS }, (_, row) => colour(0.5 - row * 0.2, 61 - row * 19)),
  };
}

/** The top of a row of hills in each column: 0 is the upper edge of the picture, 1 the lower one. */
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

function mix(a: Rgb, b: Rgb, share: number): Rgb {
  return [a[0] + (b[0] - a[0]) * share, a[1] + (b[1] - a[1]) * share, a[2] + (b[2] - a[2]) * share];
}

/** Hue in degrees, saturation and lightness in per cent. */
function rgbOf(hue: number, saturation: number, lightness: number): Rgb {
  const light = lightness / 100;
  const reach = (saturation / 100) * Math.min(light, 1 - light);
  const part = (shift: number) => {
    const k = (shift + hue / 30) % 12;
    return 255 * (light - reach * Math.max(-1, Math.min(k - 3, 9 - k, 1)));
  };
  return [part(0), part(8), part(4)];
}

/** Random numbers in [0, 1) that are the same for the same words: sfc32, seeded from a hash of the words. */
export function randomFrom(...words: readonly (string | number)[]): Random {
  const hash = createHash('sha256').update(words.join('\n')).digest();
  let a = hash.readUInt32LE(0);
  let b = hash.readUInt32LE(4);
  let c = hash.readUInt32LE(8);
  let counter = 1;
  return () => {
    const sum = (((a + b) | 0) + counter) | 0;
    counter = (counter + 1) | 0;
    a = b ^ (b >>> 9);
    b = (c + (c << 3)) | 0;
    c = (((c << 21) | (c >>> 11)) + sum) | 0;
    return (sum >>> 0) / 4_294_967_296;
  };
}

function between(random: Random, low: number, high: number): number {
  return low + (high - low) * random();
}
