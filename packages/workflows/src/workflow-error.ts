import type { Place } from './graph.js';

/** The workflows folder cannot be used. `faults` lists what is wrong: the file, what, and how to fix it. */
export class WorkflowError extends Error {
  readonly faults: readonly string[];
  /** Where in the graph each of them is, as far as that is known. */
  readonly places: readonly (Place | undefined)[];

  constructor(faults: readonly string[], places: readonly (Place | undefined)[] = []) {
    super(['The workflows are wrong:', ...faults.map((fault) => `  - ${fault}`)].join('\n'));
    this.name = 'WorkflowError';
    this.faults = faults;
    this.places = places;
  }
}
