import { tone } from '../palette.js';
import { between } from '../random.js';
import { type Motif, n, WIDTH } from './motif.js';

const CELL = 100;

/** A folded sheet of triangles with the light from one side. */
export const facets: Motif = ({ height, palette, random }) => {
  const columns = WIDTH / CELL + 2;
  const rows = Math.ceil(height / CELL) + 2;
  const centre = { x: between(random, 0.2, 0.8) * WIDTH, y: between(random, 0.15, 0.7) * height };
  const points = Array.from({ length: rows * columns }, (_, at) => ({
    x: ((at % columns) - 0.5) * CELL + between(random, -34, 34),
    y: (Math.floor(at / columns) - 0.5) * CELL + between(random, -34, 34),
    z: random(),
  }));
  const parts: string[] = [];
  const face = (...corners: readonly number[]) => {
    const found = corners.flatMap((corner) => points[corner] ?? []);
    const mid = (pick: (p: { x: number; y: number; z: number }) => number) =>
      found.reduce((sum, p) => sum + pick(p), 0) / 3;
    const far = Math.hypot(mid((p) => p.x) - centre.x, mid((p) => p.y) - centre.y) / WIDTH;
    const shade = 6.4 - far * 8 + (mid((p) => p.z) - 0.5) * 4;
    const colour = shade > 6.3 ? palette.light : mid((p) => p.z) > 0.8 ? palette.accent : tone(palette, shade);
    const outline = found.map((p) => `${n(p.x)},${n(p.y)}`).join(' ');
    parts.push(
      `<polygon points="${outline}" fill="${colour}" fill-opacity="${(0.78 + 0.22 * random()).toFixed(2)}" stroke="${colour}" stroke-opacity="0.4" stroke-width="1"/>`,
    );
  };
  for (let row = 0; row + 1 < rows; row++) {
    for (let column = 0; column + 1 < columns; column++) {
      const at = row * columns + column;
      if (random() < 0.5) {
        face(at, at + 1, at + columns);
        face(at + 1, at + columns + 1, at + columns);
      } else {
        face(at, at + 1, at + columns + 1);
        face(at, at + columns + 1, at + columns);
      }
    }
  }
  return `<rect width="${WIDTH}" height="${n(height)}" fill="${tone(palette, 1)}"/>${parts.join('')}`;
};
