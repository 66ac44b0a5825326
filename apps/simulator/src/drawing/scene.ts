import type { Painting } from '../nodes/values.js';
import { facets } from './motifs/facets.js';
import { landscape } from './motifs/landscape.js';
import { type Motif, n, WIDTH } from './motifs/motif.js';
import { orbs } from './motifs/orbs.js';
import { ribbons } from './motifs/ribbons.js';
import { skyline } from './motifs/skyline.js';
import { paletteFrom, vigour } from './palette.js';
import { randomFrom } from './random.js';

const MOTIFS: readonly Motif[] = [landscape, orbs, ribbons, facets, skyline];

/**
 * The picture without noise and caption, as SVG. The seed chooses motif and colours, the prompt and the picture's place
 * in the batch shift the forms. Places are relative: the same scene at half the size is the same scene.
 */
export function sceneSvg(painting: Painting, width: number, height: number, index: number): string {
  const chosen = randomFrom('scene', painting.seed, index);
  const motif = MOTIFS[Math.floor(chosen() * MOTIFS.length)] ?? landscape;
  const palette = paletteFrom(chosen, vigour(painting.cfg));
  const random = randomFrom('forms', painting.seed, index, painting.positive);
  const units = (WIDTH * height) / width;
  const body = motif({ height: units, palette, random });
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${WIDTH} ${n(units)}" preserveAspectRatio="none">${body}</svg>`;
}
