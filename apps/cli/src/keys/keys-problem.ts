/** What a person at the terminal can fix, in a sentence or two. Ends the command with `exitCode`. */
export class KeysProblem extends Error {
  readonly exitCode: number;

  constructor(message: string, exitCode = 1) {
    super(message);
    this.name = 'KeysProblem';
    this.exitCode = exitCode;
  }
}

/** The command itself was not understood: by custom, exit code 2. */
export function misuse(message: string): KeysProblem {
  return new KeysProblem(`${message}\nnpm run keys -- --help says what there is.`, 2);
}
