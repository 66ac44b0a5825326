import type { ReactNode } from 'react';

/** The number of colours in styles/charts.css and of textures below. All further names share `OTHER`. */
const PAINTS = 8;
export const OTHER = PAINTS;

/**
 * Assigns each of the first names its own colour and texture, and `OTHER` to the rest. The assignment depends on the set of
 * names, not on their order, so that several charts of the same names agree.
 */
export function assignPaints(names: readonly string[]): ReadonlyMap<string, number> {
  const own = names.slice(0, PAINTS).sort();
  const taken = new Map<number, string>();
  for (const name of own) {
    let paint = hash(name) % PAINTS;
    while (taken.has(paint)) paint = (paint + 1) % PAINTS;
    taken.set(paint, name);
  }
  const paints = new Map([...taken].map(([paint, name]) => [name, paint]));
  return new Map(names.map((name) => [name, paints.get(name) ?? OTHER]));
}

function hash(text: string): number {
  let sum = 0;
  for (const character of text) sum = (sum * 31 + (character.codePointAt(0) ?? 0)) >>> 0;
  return sum;
}

/** The suffix of the classes `paint-…` and `texture-…` in styles/charts.css: a number from assignPaints, or a fixed meaning. */
export type Paint = number | 'good' | 'bad' | 'off' | 'waiting' | 'running' | 'bound';

export function Swatch({ paint }: { readonly paint: Paint }) {
  return (
    <Sample>
      <path className={`paint-${paint}`} d="M0 1h22v12h-22z" />
      <path className={`texture-${paint}`} d="M0 1h22v12h-22z" />
    </Sample>
  );
}

/** A small sample for a legend. */
export function Sample({ children }: { readonly children: ReactNode }) {
  return (
    <svg className="swatch" aria-hidden="true" width="22" height="14" viewBox="0 0 22 14">
      {children}
    </svg>
  );
}

/** Width and height in pixels. */
export const TEXTURE_SIZE = 8;
/** Textures that distinguish paints without colour. The first and the last paint have none. */
export const TEXTURES: readonly string[] = [
  'M-1 1 L1 -1 M0 8 L8 0 M7 9 L9 7',
  'M2 2 h1.5 v1.5 h-1.5 z M6 6 h1.5 v1.5 h-1.5 z',
  'M0 2 H8 M0 6 H8',
  'M-1 7 L1 9 M0 0 L8 8 M7 -1 L9 1',
  'M2 0 V8 M6 0 V8',
  'M0 4 H8 M4 0 V8',
  'M0 0 L8 8 M8 0 L0 8',
];

/** Defines the textures that styles/charts.css refers to by id. A page renders this once. */
export function Textures() {
  return (
    <svg className="textures" aria-hidden="true" width="0" height="0">
      <defs>
        {TEXTURES.map((lines, index) => (
          <pattern
            key={lines}
            id={`texture-${index + 1}`}
            width={TEXTURE_SIZE}
            height={TEXTURE_SIZE}
            patternUnits="userSpaceOnUse"
          >
            <path className="texture-lines" d={lines} />
          </pattern>
        ))}
      </defs>
    </svg>
  );
}
