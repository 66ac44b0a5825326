import { between, type Random } from './random.js';

/** Colours of one picture, as CSS. Index 0 is the darkest. */
export interface Palette {
  readonly tones: readonly string[];
  readonly light: string;
  readonly accent: string;
}

const SCHEMES = [
  [0, 24, 48],
  [0, 30, 180],
  [0, 120, 240],
  [0, 150, 210],
  [0, 60, 300],
] as const;

/** `vigour` scales the saturation: 1 is as intended. */
export function paletteFrom(random: Random, vigour: number): Palette {
  const hue = random() * 360;
  const scheme = SCHEMES[Math.floor(random() * SCHEMES.length)] ?? SCHEMES[0];
  const saturation = between(random, 45, 70) * vigour;
  const tones = Array.from({ length: 7 }, (_, at) => {
    const turn = scheme[at % 3] ?? 0;
    return hsl(hue + turn * (0.35 + at * 0.11), saturation * (1 - at * 0.05), 13 + at * 12);
  });
  return {
    tones,
    light: hsl(hue + (scheme[2] ?? 0) * 0.5, Math.min(100, saturation + 25), 88),
    accent: hsl(hue + (scheme[1] ?? 0) + 180, Math.min(100, saturation + 30), 60),
  };
}

function hsl(hue: number, saturation: number, lightness: number): string {
  const turn = ((hue % 360) + 360) % 360;
  return `hsl(${turn.toFixed(1)},${Math.max(0, Math.min(100, saturation)).toFixed(1)}%,${Math.min(96, lightness).toFixed(1)}%)`;
}

export function tone(palette: Palette, at: number): string {
  return palette.tones[Math.max(0, Math.min(palette.tones.length - 1, Math.round(at)))] ?? palette.light;
}

/** A cfg gives stronger colours the higher it is; around 7, and where there is none at all, they are as intended: 1. */
export function vigour(cfg: number): number {
  return cfg <= 1 ? 1 : Math.min(1.6, 0.55 + cfg * 0.064);
}

export type Rgb = readonly [red: number, green: number, blue: number];

/** A colour of a palette, each part 0–255. */
export function rgb(colour: string): Rgb {
  const [hue = 0, saturation = 0, lightness = 0] = colour.match(/[\d.]+/g)?.map(Number) ?? [];
  const light = lightness / 100;
  const reach = (saturation / 100) * Math.min(light, 1 - light);
  const part = (shift: number) => {
    const k = (shift + hue / 30) % 12;
    return 255 * (light - reach * Math.max(-1, Math.min(k - 3, 9 - k, 1)));
  };
  return [part(0), part(8), part(4)];
}
