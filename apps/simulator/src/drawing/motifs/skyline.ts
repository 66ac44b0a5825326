import { tone } from '../palette.js';
import { between, type Random } from '../random.js';
import { glow, gradient, type Motif, n, WIDTH } from './motif.js';

/** A town in the evening, lit windows and all. */
export const skyline: Motif = ({ height, palette, random }) => {
  const sky = gradient('dusk', [
    [0, tone(palette, 0)],
    [0.5, tone(palette, 2)],
    [0.85, palette.accent],
    [1, palette.light],
  ]);
  const [x, y] = [between(random, 150, 850), height * between(random, 0.12, 0.35)];
  const parts = [
    `<defs>${sky}${glow('moon', [
      [0, '#fff', 0.9],
      [0.3, palette.light, 0.5],
      [1, palette.light, 0],
    ])}</defs>`,
    `<rect width="${WIDTH}" height="${n(height)}" fill="url(#dusk)"/>`,
    `<circle cx="${n(x)}" cy="${n(y)}" r="190" fill="url(#moon)"/><circle cx="${n(x)}" cy="${n(y)}" r="52" fill="#fffbe8"/>`,
  ];
  for (let row = 0; row < 3; row++)
    parts.push(...street(random, height, row, tone(palette, 2.6 - row * 1.3), palette.light));
  return parts.join('');
};

function street(random: Random, height: number, row: number, colour: string, lit: string): string[] {
  const parts: string[] = [];
  for (let left = -30; left < WIDTH; ) {
    const width = between(random, 46, 118);
    const top = height * between(random, 0.34 + row * 0.1, 0.72 + row * 0.08);
    parts.push(`<rect x="${n(left)}" y="${n(top)}" width="${n(width)}" height="${n(height)}" fill="${colour}"/>`);
    if (random() < 0.35)
      parts.push(`<rect x="${n(left + width / 2 - 2)}" y="${n(top - 38)}" width="4" height="40" fill="${colour}"/>`);
    for (let y = top + 14; y < height; y += 26) {
      for (let x = left + 9; x + 10 < left + width; x += 19) {
        if (random() < 0.36)
          parts.push(
            `<rect x="${n(x)}" y="${n(y)}" width="9" height="13" fill="${lit}" opacity="${(0.5 + row * 0.22).toFixed(2)}"/>`,
          );
      }
    }
    left += width * between(random, 0.8, 1.02);
  }
  return parts;
}
