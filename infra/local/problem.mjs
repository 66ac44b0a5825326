/** What went wrong, in one line for the person at the terminal; thrown to end the run with exit code 1. */
export class Problem extends Error {
  /**
   * @param {string} line
   * @param {readonly string[]} [details] lines shown under it, a dead process's last words for example
   */
  constructor(line, details = []) {
    super(line);
    this.name = 'Problem';
    this.details = details;
  }
}
