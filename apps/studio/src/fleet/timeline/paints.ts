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
