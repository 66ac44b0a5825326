import { Problem } from '../local/problem.mjs';

/**
 * Runs checks one after the other. Prints a line for each, and collects them for a table.
 * @param {{ say: (text: string) => void, problem: (text: string) => void, signal: AbortSignal }} options
 */
export function createChecks({ say, problem, signal }) {
  /** @type {{ name: string, passed: boolean, seconds: number, found: string }[]} */
  const rows = [];

  return {
    /**
     * @param {string} name states what the check confirms
     * @param {() => Promise<string>} run resolves to what it found; rejects if the check fails
     * @returns {Promise<boolean>} whether the check passed
     */
    async check(name, run) {
      signal.throwIfAborted();
      const begin = performance.now();
      /** @param {boolean} passed @param {string} found */
      const row = (passed, found) => rows.push({ name, passed, seconds: (performance.now() - begin) / 1000, found });
      try {
        row(true, await run());
        say(`ok    ${name}: ${rows.at(-1)?.found}`);
        return true;
      } catch (error) {
        signal.throwIfAborted();
        const message = error instanceof Error ? error.message : String(error);
        row(false, message);
        problem(`FAIL  ${name}: ${message}`);
        for (const line of error instanceof Problem ? error.details : []) problem(`      ${line}`);
        return false;
      }
    },

    /** @returns {string[]} */
    table() {
      const width = Math.max(...rows.map(({ name }) => name.length));
      return rows.map(
        ({ name, passed, seconds, found }) =>
          `${passed ? 'ok  ' : 'FAIL'}  ${name.padEnd(width)}  ${seconds.toFixed(1).padStart(6)} s  ${found.split('\n')[0]}`,
      );
    },

    /** @returns {number} */
    get failed() {
      return rows.filter(({ passed }) => !passed).length;
    },
  };
}
