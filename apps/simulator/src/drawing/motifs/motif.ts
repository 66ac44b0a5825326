import type { Palette } from '../palette.js';
import type { Random } from '../random.js';

/** What a motif draws with. Lengths are in units of the picture: it is 1000 wide and `height` high, whatever its pixels. */
export interface Canvas {
  readonly height: number;
  readonly palette: Palette;
  /** Places and shapes. */
  readonly random: Random;
}

/** SVG elements, back to front. */
export type Motif = (canvas: Canvas) => string;

export const WIDTH = 1000;

export function gradient(id: string, stops: readonly (readonly [number, string, number?])[], vertical = true): string {
  const end = vertical ? 'x2="0" y2="1"' : 'x2="1" y2="0.6"';
  return `<linearGradient id="${id}" x1="0" y1="0" ${end}>${stopList(stops)}</linearGradient>`;
}

export function glow(id: string, stops: readonly (readonly [number, string, number?])[]): string {
  return `<radialGradient id="${id}">${stopList(stops)}</radialGradient>`;
}

function stopList(stops: readonly (readonly [number, string, number?])[]): string {
  return stops
    .map(([at, colour, opacity = 1]) => `<stop offset="${at}" stop-color="${colour}" stop-opacity="${opacity}"/>`)
    .join('');
}

export function n(value: number): string {
  return value.toFixed(1);
}
