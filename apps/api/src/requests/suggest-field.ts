import { closest, distance } from 'fastest-levenshtein';

/** Names the known field that was probably meant; all of them when none is near. */
export function suggestField(unknown: string, known: readonly string[]): string {
  const nearest = closest(unknown.toLowerCase(), known);
  const alike = distance(unknown.toLowerCase(), nearest) <= Math.max(2, nearest.length / 2);
  // cfg_scale, sampler_name: far by letters, but the name is in it
  const within = known.find((field) => unknown.toLowerCase().startsWith(field));
  if (alike) return `did you mean ${nearest}?`;
  return within === undefined ? `the fields are ${known.join(', ')}` : `did you mean ${within}?`;
}
