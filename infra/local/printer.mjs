import { stripVTControlCharacters } from 'node:util';

const COLOURS = [36, 33, 35, 34, 32, 96];
const WIDTH = 11;

/**
 * Prints all logs as one stream, with the name of the process in its own colour before each line. Without a terminal, or with
 * NO_COLOR, removes all colours, including those of the services.
 * @typedef {{
 *   line(name: string, text: string): void, say(text: string): void, problem(text: string): void,
 *   progress(text: string): void,
 * }} Printer `progress` shows a line that the next output replaces; without a terminal it shows nothing
 * @param {{ write(text: string): unknown, isTTY?: boolean, columns?: number }} out
 * @param {Readonly<Record<string, string | undefined>>} env
 * @returns {Printer}
 */
export function createPrinter(out = process.stdout, env = process.env) {
  const coloured = env.FORCE_COLOR ? env.FORCE_COLOR !== '0' : Boolean(out.isTTY) && !env.NO_COLOR;
  /** @type {Map<string, number>} */
  const colours = new Map();
  let isProgressShown = false;
  const clear = () => {
    if (isProgressShown) out.write('\r\x1b[2K');
    isProgressShown = false;
  };
  /** @param {string} text */
  const write = (text) => {
    clear();
    out.write(`${coloured ? text : stripVTControlCharacters(text)}\n`);
  };
  return {
    line(name, text) {
      const colour = colours.get(name) ?? COLOURS[colours.size % COLOURS.length] ?? 36;
      colours.set(name, colour);
      write(`\x1b[${colour}m${name.padEnd(WIDTH)}|\x1b[0m ${text}`);
    },
    say: (text) => write(`\x1b[1m${text}\x1b[0m`),
    progress(text) {
      if (!out.isTTY) return;
      clear();
      out.write(text.slice(0, (out.columns ?? 80) - 1));
      isProgressShown = true;
    },
    problem: (text) => write(`\x1b[1;31m${text}\x1b[0m`),
  };
}
