/** 2^64−1, the largest seed that ComfyUI accepts (recorded: `seed 2^64-1` is 200, `seed 2^64` is 400). */
export const MAX_SEED = 18446744073709551615n;

/**
 * Reads a seed as a caller may write it: a JSON number up to 2^53−1 or a decimal string up to 2^64−1. Answers the exact
 * value as a decimal string without leading zeros, or undefined for anything else (a larger JSON number was already
 * rounded by the JSON parser, so it cannot be trusted).
 */
export function parseSeed(value: number | string): string | undefined {
  if (typeof value === 'number') return Number.isSafeInteger(value) && value >= 0 ? String(value) : undefined;
  if (!/^\d{1,20}$/.test(value)) return undefined;
  const seed = BigInt(value);
  return seed <= MAX_SEED ? seed.toString() : undefined;
}

/** How a seed is written in JSON answers: a number while JavaScript holds it exactly, a decimal string above. */
export function presentSeed(seed: string): number | string {
  const number = Number(seed);
  return Number.isSafeInteger(number) ? number : seed;
}
