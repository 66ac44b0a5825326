import { closest, distance } from 'fastest-levenshtein';

const MOST_LISTED = 5;
/** Longer than any misspelt name. */
const MOST_NAME_CHARS = 64;

/** The first few names, and how many more there are. */
export function listed(names: readonly string[]): string {
  const shown = names.slice(0, MOST_LISTED).join(', ');
  return names.length > MOST_LISTED ? `${shown} and ${names.length - MOST_LISTED} more` : shown;
}

/** Shortens a text to `most` characters, without splitting a surrogate pair. */
export function cut(text: string, most: number): string {
  return text.length <= most ? text : `${text.slice(0, most).replace(/[\ud800-\udbff]$/, '')}…`;
}

/** `, did you mean "steps"?` if one of `known` is similar enough, else empty. */
export function suggest(written: string, known: readonly string[]): string {
  if (known.length === 0 || written.length > MOST_NAME_CHARS) return '';
  const nearest = closest(written, known);
  if (distance(written, nearest) > Math.max(2, written.length / 3)) return '';
  return `, did you mean "${nearest}"?`;
}
