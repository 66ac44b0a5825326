import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { publishedSettings } from './data-lock.mjs';
import { prepareToRun } from './prepare.mjs';
import { createPrinter } from './printer.mjs';
import { Problem } from './problem.mjs';
import { createStack } from './stack.mjs';
import { aborted, listenForStop } from './stop-signals.mjs';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const STOPPED = 130;

/**
 * Installs and builds what is out of date, then runs a program of an app (`apps/cli/dist/main.js`) with the arguments.
 * Writes only to stderr, because stdout belongs to the program. Settings that are not set, such as the port of the API, come
 * from a running `npm start`. Resolves to the exit code, or 130 if it was stopped.
 * @param {string} path below the root
 * @param {readonly string[]} args
 * @param {{ root?: string, env?: NodeJS.ProcessEnv, prepare?: typeof prepareToRun }} options
 * @returns {Promise<number>}
 */
export async function runProgram(path, args, { root = ROOT, env = process.env, prepare = prepareToRun } = {}) {
  const print = createPrinter(process.stderr);
  const stack = createStack({ root, print });
  const stop = listenForStop();

  try {
    await Promise.race([prepare({ root, env, run: stack.run, print }), aborted(stop.asked)]);
    if (stop.asked.aborted) return STOPPED;
    const told = { ...publishedSettings(join(root, '.data')), ...env };
    const program = spawn(process.execPath, [join(root, path), ...args], { cwd: root, env: told, stdio: 'inherit' });
    // The program may have output to print and processes to stop.
    stop.asked.addEventListener('abort', () => program.kill('SIGTERM'));
    stop.forced.addEventListener('abort', () => program.kill('SIGKILL'));
    const [code] = await once(program, 'exit');
    return code ?? (stop.asked.aborted ? STOPPED : 1);
  } catch (error) {
    if (stop.asked.aborted) return STOPPED;
    if (!(error instanceof Problem)) throw error;
    print.problem(error.message);
    return 1;
  } finally {
    await stack.stopAll(stop.forced);
  }
}
