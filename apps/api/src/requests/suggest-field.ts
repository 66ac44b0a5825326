import { closest, distance } from 'fastest-levenshtein';

/** Longer than any field and what somebody adds to it: what is longer was not meant for one. */
const MOST_CHARS = 64;

/** Names the known field that was probably meant; all of them when none is near. */
export function suggestField(unknown: string, known: readonly string[]): string {
  const all = `the fields are ${known.join(', ')}`;
  if (unknown.length > MOST_CHARS) return all;
  const nearest = closest(unknown.toLowerCase(), known);
  const alike = distance(unknown.toLowerCase(), nearest) <= Math.max(2, nearest.length / 2);
  // cfg_scale, sampler_name: far by letters, but the name is in it
  const within = known.find((field) => unknown.toLowerCase().startsWith(field));
  if (alike) return `did you mean ${nearest}?`;
  return within === undefined ? all : `did you mean ${within}?`;
}
