import { Problem } from '../local/problem.mjs';

/**
 * Runs checks one after the other, a line for each as it ends, and remembers them for a table.
 * @param {{ say: (text: string) => void, problem: (text: string) => void, signal: AbortSignal }} options
 */
export function createChecks({ say, problem, signal }) {
  /** @type {{ name: string, isGood: boolean, seconds: number, found: string }[]} */
  const rows = [];

  return {
    /**
     * @param {string} name what is true if it is good
     * @param {() => Promise<string>} look resolves to what was found; rejects when it is not so
     * @returns {Promise<boolean>} whether it is good
     */
    async check(name, look) {
      signal.throwIfAborted();
      const begin = performance.now();
      /** @param {boolean} isGood @param {string} found */
      const row = (isGood, found) => rows.push({ name, isGood, seconds: (performance.now() - begin) / 1000, found });
      try {
        row(true, await look());
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
        ({ name, isGood, seconds, found }) =>
          `${isGood ? 'ok  ' : 'FAIL'}  ${name.padEnd(width)}  ${seconds.toFixed(1).padStart(6)} s  ${found.split('\n')[0]}`,
      );
    },

    /** @returns {number} */
    get failed() {
      return rows.filter(({ isGood }) => !isGood).length;
    },
  };
}
