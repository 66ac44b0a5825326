/** An error for the person at the terminal, in one line. Ends the run with exit code 1. */
export class Problem extends Error {
  /**
   * @param {string} line
   * @param {readonly string[]} [details] further lines, such as the last output of a process
   */
  constructor(line, details = []) {
    super(line);
    this.name = 'Problem';
    this.details = details;
  }
}
