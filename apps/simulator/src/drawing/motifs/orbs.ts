import { tone } from '../palette.js';
import { between } from '../random.js';
import { glow, gradient, type Motif, n, WIDTH } from './motif.js';

/** Planets, rings and dust in a deep sky. */
export const orbs: Motif = ({ height, palette, random }) => {
  const defs = [
    gradient(
      'deep',
      [
        [0, tone(palette, 0)],
        [0.6, tone(palette, 1)],
        [1, tone(palette, 3)],
      ],
      false,
    ),
    glow('haze', [
      [0, palette.accent, 0.5],
      [1, palette.accent, 0],
    ]),
    ...[1, 2, 3, 4].map(
      (at) =>
        `<radialGradient id="orb${at}" cx="0.35" cy="0.3" r="0.75"><stop offset="0" stop-color="${palette.light}"/><stop offset="0.45" stop-color="${tone(palette, 6 - at)}"/><stop offset="1" stop-color="${tone(palette, 0)}"/></radialGradient>`,
    ),
  ];
  const parts = [`<defs>${defs.join('')}</defs><rect width="${WIDTH}" height="${n(height)}" fill="url(#deep)"/>`];
  for (let at = 0; at < 3; at++) {
    parts.push(
      `<circle cx="${n(random() * WIDTH)}" cy="${n(random() * height)}" r="${n(between(random, 180, 420))}" fill="url(#haze)"/>`,
    );
  }
  for (let at = 0; at < 140; at++) {
    const size = between(random, 0.6, 2.8);
    parts.push(
      `<circle cx="${n(random() * WIDTH)}" cy="${n(random() * height)}" r="${n(size)}" fill="#fff" opacity="${between(random, 0.25, 0.95).toFixed(2)}"/>`,
    );
  }
  for (let at = 0; at < 6; at++) {
    const radius = at === 0 ? between(random, 0.2, 0.3) * Math.min(WIDTH, height) : between(random, 18, 85);
    const [x, y] = [between(random, 80, 920), height * between(random, 0.12, 0.72)];
    parts.push(`<circle cx="${n(x)}" cy="${n(y)}" r="${n(radius)}" fill="url(#orb${(at % 4) + 1})"/>`);
    if (at < 2) {
      const tilt = between(random, -35, 35);
      parts.push(
        `<ellipse cx="${n(x)}" cy="${n(y)}" rx="${n(radius * 1.75)}" ry="${n(radius * 0.38)}" transform="rotate(${n(tilt)} ${n(x)} ${n(y)})" fill="none" stroke="${palette.accent}" stroke-width="${n(radius * 0.09)}" opacity="0.75"/>`,
      );
    }
  }
  return parts.join('');
};
