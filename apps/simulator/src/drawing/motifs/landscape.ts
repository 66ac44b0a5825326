import { tone } from '../palette.js';
import { between, type Random } from '../random.js';
import { glow, gradient, type Motif, n, WIDTH } from './motif.js';

/** A sun or moon over rows of hills, with trees on the last one. */
export const landscape: Motif = ({ height, palette, random }) => {
  const horizon = height * between(random, 0.4, 0.55);
  const [x, y, radius] = [between(random, 180, 820), height * between(random, 0.14, 0.32), between(random, 45, 110)];
  const sky = gradient('sky', [
    [0, tone(palette, 1)],
    [0.45, tone(palette, 4)],
    [1, palette.light],
  ]);
  const parts = [
    `<defs>${sky}${glow('sun', [
      [0, '#fff', 0.95],
      [0.28, palette.light, 0.85],
      [1, palette.light, 0],
    ])}</defs>`,
    `<rect width="${WIDTH}" height="${n(height)}" fill="url(#sky)"/>`,
    `<circle cx="${n(x)}" cy="${n(y)}" r="${n(radius * 3.2)}" fill="url(#sun)"/>`,
    `<circle cx="${n(x)}" cy="${n(y)}" r="${n(radius)}" fill="#fffdf2"/>`,
    ...clouds(random, horizon),
  ];
  const rows = 5;
  for (let row = 0; row < rows; row++) {
    const base = horizon + ((height - horizon) * row) / rows;
    const colour = tone(palette, 4.4 - row);
    parts.push(ridge(random, base, height, 70 - row * 9, colour, 0.92));
  }
  parts.push(...trees(random, height, tone(palette, 0)));
  return parts.join('');
};

function clouds(random: Random, horizon: number): string[] {
  return Array.from({ length: 7 }, () => {
    const [x, y, width] = [between(random, -50, 1050), between(random, 20, horizon * 0.7), between(random, 60, 190)];
    return `<ellipse cx="${n(x)}" cy="${n(y)}" rx="${n(width)}" ry="${n(width * 0.13)}" fill="#fff" opacity="${between(random, 0.12, 0.34).toFixed(2)}"/>`;
  });
}

function ridge(random: Random, base: number, bottom: number, swing: number, colour: string, opacity: number): string {
  const waves = Array.from({ length: 4 }, (_, at) => ({
    size: swing / (at + 1.2),
    length: between(random, 0.8, 1.7) * (at * 1.6 + 1),
    shift: random() * 7,
  }));
  const points: string[] = [];
  for (let x = 0; x <= WIDTH; x += 20) {
    const y = waves.reduce(
      (sum, { size, length, shift }) => sum - size * Math.sin((x / WIDTH) * Math.PI * 2 * length + shift),
      base,
    );
    points.push(`${x},${n(y)}`);
  }
  return `<polygon points="0,${n(bottom)} ${points.join(' ')} ${WIDTH},${n(bottom)}" fill="${colour}" opacity="${opacity}"/>`;
}

function trees(random: Random, height: number, colour: string): string[] {
  return Array.from({ length: 22 }, () => {
    const [x, foot, size] = [
      between(random, 0, WIDTH),
      height * between(random, 0.9, 1.03),
      height * between(random, 0.06, 0.17),
    ];
    const layer = (at: number) => {
      const [top, half] = [foot - size * (1 - at * 0.25), size * (0.13 + at * 0.08)];
      return `${n(x)},${n(top)} ${n(x + half)},${n(top + size * 0.5)} ${n(x - half)},${n(top + size * 0.5)}`;
    };
    return [0, 1, 2].map((at) => `<polygon points="${layer(at)}" fill="${colour}"/>`).join('');
  });
}
