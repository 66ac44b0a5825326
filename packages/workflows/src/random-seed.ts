import { randomBytes } from 'node:crypto';

/**
 * A seed drawn evenly from 0…2^53−1, in decimal digits. Not from all 2^64, so that every caller can send the reported
 * seed again as a plain JSON number.
 */
export function randomSeed(): string {
  return (randomBytes(8).readBigUInt64BE() >> 11n).toString();
}
