/** The workflows folder cannot be used. `faults` lists what is wrong: the file, what, and how to fix it. */
export class WorkflowError extends Error {
  readonly faults: readonly string[];

  constructor(faults: readonly string[]) {
    super(['The workflows are wrong:', ...faults.map((fault) => `  - ${fault}`)].join('\n'));
    this.name = 'WorkflowError';
    this.faults = faults;
  }
}
