import type { ReactNode } from 'react';

/** As many as styles/fleet.css has colours and the textures of textures.tsx; what comes after shares `OTHER`. */
const PAINTS = 8;
export const OTHER = PAINTS;

/**
 * A colour and texture for each name, the same wherever the same names are shown: those that come first get one of their
 * own, and which one depends on the names, not on their order.
 */
export function paintsOf(names: readonly string[]): ReadonlyMap<string, number> {
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

/** The end of `paint-…` and `texture-…` in styles/fleet.css: a number of paintsOf, or what has a colour of its own. */
export type Paint = number | 'good' | 'bad' | 'off' | 'waiting' | 'running' | 'bound';

export function Swatch({ paint }: { readonly paint: Paint }) {
  return (
    <Sample>
      <path className={`paint-${paint}`} d="M0 1h22v12h-22z" />
      <path className={`texture-${paint}`} d="M0 1h22v12h-22z" />
    </Sample>
  );
}

/** A sample of what stands in a picture. */
export function Sample({ children }: { readonly children: ReactNode }) {
  return (
    <svg className="swatch" aria-hidden="true" width="22" height="14" viewBox="0 0 22 14">
      {children}
    </svg>
  );
}

/** In pixels, each way. */
export const TEXTURE_SIZE = 8;
/** What tells paints apart without their colours: one for each but the first and the last, which are plain. */
export const TEXTURES: readonly string[] = [
  'M-1 1 L1 -1 M0 8 L8 0 M7 9 L9 7',
  'M2 2 h1.5 v1.5 h-1.5 z M6 6 h1.5 v1.5 h-1.5 z',
  'M0 2 H8 M0 6 H8',
  'M-1 7 L1 9 M0 0 L8 8 M7 -1 L9 1',
  'M2 0 V8 M6 0 V8',
  'M0 4 H8 M4 0 V8',
  'M0 0 L8 8 M8 0 L0 8',
];

/** Once on a page: the textures, by the ids that `url(#…)` in styles/fleet.css names. */
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
