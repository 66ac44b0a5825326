import { distance } from 'fastest-levenshtein';

/** `, did you mean "steps"?` when one of `known` is near enough to be what was meant, else nothing. */
export function suggest(written: string, known: readonly string[]): string {
  const [nearest] = [...known].sort((a, b) => distance(written, a) - distance(written, b));
  if (nearest === undefined || distance(written, nearest) > Math.max(2, written.length / 3)) return '';
  return `, did you mean "${nearest}"?`;
}
