import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { toldSettings } from './data-lock.mjs';
import { prepareToRun } from './prepare.mjs';
import { createPrinter } from './printer.mjs';
import { Problem } from './problem.mjs';
import { createStack } from './stack.mjs';
import { aborted, listenForStop } from './stop-signals.mjs';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const STOPPED = 130;

/**
 * Installs and builds what is out of date, then runs a program of an app (`apps/cli/dist/main.js`) with the arguments.
 * Everything that is written here goes to stderr: stdout is the program's. Settings that are not set come from an
 * `npm start` that runs here, the port of its API among them. Resolves to the exit code, 130 if it was stopped.
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
    const told = { ...toldSettings(join(root, '.data')), ...env };
    const program = spawn(process.execPath, [join(root, path), ...args], { cwd: root, env: told, stdio: 'inherit' });
    // It may have something to say, or to end, before it goes.
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
