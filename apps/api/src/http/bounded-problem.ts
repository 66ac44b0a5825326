import type { FieldError } from '@comfy-fleet/contracts';

/** Of one text of an answer, in characters: as long as a list of all names that there may be. */
const MOST_CHARS = 4000;
/** Of what is repeated of the request. */
const MOST_REPEATED = 1000;
/** Of all faults of fields together. */
const MOST_OF_FAULTS = 16_000;

/** A text of an answer, cut if it is longer than anybody would read. */
export function bounded(text: string, most = MOST_CHARS): string {
  // By characters, not by halves of them.
  return text.length <= most ? text : `${text.slice(0, most).replace(/[\ud800-\udbff]$/, '')}…`;
}

export function boundedPath(path: string): string {
  return bounded(path, MOST_REPEATED);
}

/** The faults of fields, so many that the answer stays small whatever the request was; then one that says how many more. */
export function boundedFaults(faults: readonly FieldError[]): FieldError[] {
  const told: FieldError[] = [];
  let chars = 0;
  for (const { pointer, detail } of faults) {
    const fault = { pointer: bounded(pointer, MOST_REPEATED), detail: bounded(detail) };
    chars += fault.pointer.length + fault.detail.length;
    if (chars > MOST_OF_FAULTS) {
      return [...told, { pointer: '', detail: `and ${faults.length - told.length} more` }];
    }
    told.push(fault);
  }
  return told;
}
