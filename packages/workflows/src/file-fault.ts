import type { Place } from './graph.js';

export interface Fault {
  readonly problem: string;
  /** Where in the graph it is. */
  readonly at?: Place;
  /** What a bindings file could say to settle it. */
  readonly settledBy?: Readonly<Record<string, unknown>>;
  /** Ids of the nodes that could each be meant. */
  readonly between?: readonly string[];
  /** The graph seems to have no place for it: no fault where it need not have one. */
  readonly absent?: true;
  /** The bindings file itself is wrong, not the workflow. */
  readonly inBindings?: true;
}

/** What is wrong with one file; the loader adds the files' names. Never leaves this package. */
export class FileFault extends Error {
  readonly faults: readonly Fault[];

  constructor(...faults: readonly (Fault | string)[]) {
    super();
    this.faults = faults.map((fault) => (typeof fault === 'string' ? { problem: fault } : fault));
    this.message = this.faults.map(({ problem }) => problem).join('\n');
  }
}

/** Runs each step and answers the faults of all together. */
export function gatherFaults(steps: readonly (() => void)[]): Fault[] {
  const faults: Fault[] = [];
  for (const step of steps) {
    try {
      step();
    } catch (error) {
      if (!(error instanceof FileFault)) throw error;
      faults.push(...error.faults);
    }
  }
  return faults;
}
