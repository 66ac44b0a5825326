import { stripVTControlCharacters } from 'node:util';

const COLOURS = [36, 33, 35, 34, 32, 96];
const WIDTH = 11;

/**
 * The one log stream: every line with the name of who wrote it, in a colour of its own. Without a terminal, or with
 * NO_COLOR, all colours are taken out, the services' own too.
 * @typedef {{ line(name: string, text: string): void, say(text: string): void, problem(text: string): void }} Printer
 * @param {{ write(text: string): unknown, isTTY?: boolean }} out
 * @param {Readonly<Record<string, string | undefined>>} env
 * @returns {Printer}
 */
export function createPrinter(out = process.stdout, env = process.env) {
  const coloured = env.FORCE_COLOR ? env.FORCE_COLOR !== '0' : Boolean(out.isTTY) && !env.NO_COLOR;
  /** @type {Map<string, number>} */
  const colours = new Map();
  /** @param {string} text */
  const write = (text) => out.write(`${coloured ? text : stripVTControlCharacters(text)}\n`);
  return {
    line(name, text) {
      const colour = colours.get(name) ?? COLOURS[colours.size % COLOURS.length] ?? 36;
      colours.set(name, colour);
      write(`\x1b[${colour}m${name.padEnd(WIDTH)}|\x1b[0m ${text}`);
    },
    say: (text) => write(`\x1b[1m${text}\x1b[0m`),
    problem: (text) => write(`\x1b[1;31m${text}\x1b[0m`),
  };
}
