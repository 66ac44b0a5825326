/** The workflows folder cannot be used. `faults` lists what is wrong: the file, what, and how to mend it. */
export class WorkflowError extends Error {
  readonly faults: readonly string[];

  constructor(faults: readonly string[]) {
    super(['The workflows are wrong:', ...faults.map((fault) => `  - ${fault}`)].join('\n'));
    this.name = 'WorkflowError';
    this.faults = faults;
  }
}

/** One or more faults of one file; the loader puts the file's name before each. Never leaves this package. */
export class FileFault extends Error {
  readonly faults: readonly string[];

  constructor(...faults: readonly string[]) {
    super(faults.join('\n'));
    this.name = 'FileFault';
    this.faults = faults;
  }
}

/** Runs each step and throws the faults of all together. */
export function gatherFaults(steps: readonly (() => void)[]): void {
  const faults: string[] = [];
  for (const step of steps) {
    try {
      step();
    } catch (error) {
      if (!(error instanceof FileFault)) throw error;
      faults.push(...error.faults);
    }
  }
  if (faults.length > 0) throw new FileFault(...faults);
}
