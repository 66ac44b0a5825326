import { createHash } from 'node:crypto';

/** A row of numbers in [0, 1), the same for the same words on every machine. */
export type Random = () => number;

/** sfc32, begun from a hash of the words. */
export function randomFrom(...words: readonly (string | number)[]): Random {
  const hash = createHash('sha256').update(words.join('\n')).digest();
  let a = hash.readUInt32LE(0);
  let b = hash.readUInt32LE(4);
  let c = hash.readUInt32LE(8);
  let counter = 1;
  return () => {
    const sum = (((a + b) | 0) + counter) | 0;
    counter = (counter + 1) | 0;
    a = b ^ (b >>> 9);
    b = (c + (c << 3)) | 0;
    c = (((c << 21) | (c >>> 11)) + sum) | 0;
    return (sum >>> 0) / 4_294_967_296;
  };
}

export function between(random: Random, low: number, high: number): number {
  return low + (high - low) * random();
}
