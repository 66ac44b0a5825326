import { tone } from '../palette.js';
import { between } from '../random.js';
import { gradient, type Motif, n, WIDTH } from './motif.js';

/** Broad ribbons that flow across the picture. */
export const ribbons: Motif = ({ height, palette, random }) => {
  const defs = [
    gradient('ground', [
      [0, tone(palette, 5)],
      [1, tone(palette, 2)],
    ]),
  ];
  const bands: string[] = [];
  for (let at = 0; at < 9; at++) {
    const colours = [tone(palette, at % 6), at % 3 === 0 ? palette.accent : tone(palette, (at + 3) % 7)] as const;
    defs.push(
      gradient(
        `band${at}`,
        [
          [0, colours[0]],
          [0.5, palette.light],
          [1, colours[1]],
        ],
        false,
      ),
    );
    const edge = Array.from({ length: 4 }, () => height * between(random, -0.1, 1.1));
    const thick = height * between(random, 0.05, 0.17);
    const curve = (shift: number) => edge.map((y) => y + shift);
    const [a = 0, b = 0, c = 0, d = 0] = curve(0);
    const [e = 0, f = 0, g = 0, h = 0] = curve(thick);
    const path = `M-20 ${n(a)} C350 ${n(b)} 650 ${n(c)} 1020 ${n(d)} L1020 ${n(h)} C650 ${n(g * 1.04)} 350 ${n(f * 1.04)} -20 ${n(e)} Z`;
    bands.push(`<path d="${path}" fill="url(#band${at})" opacity="${between(random, 0.62, 0.9).toFixed(2)}"/>`);
    bands.push(
      `<path d="M-20 ${n(a)} C350 ${n(b)} 650 ${n(c)} 1020 ${n(d)}" fill="none" stroke="#fff" stroke-width="2.5" opacity="0.45"/>`,
    );
  }
  return `<defs>${defs.join('')}</defs><rect width="${WIDTH}" height="${n(height)}" fill="url(#ground)"/>${bands.join('')}`;
};
