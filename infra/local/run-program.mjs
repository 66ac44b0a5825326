import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { toldSettings } from './data-lock.mjs';
import { prepareWorkspace } from './prepare.mjs';
import { createPrinter } from './printer.mjs';
import { Problem } from './problem.mjs';
import { createStack } from './stack.mjs';
import { aborted, listenForStop } from './stop-signals.mjs';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const STOPPED = 130;
/** Most often there is nothing to do, and nothing worth a line. */
const PATIENCE_MS = 3_000;

/**
 * Installs and builds, then runs a program of an app (`apps/cli/dist/main.js`) with the arguments. All that is written
 * here goes to stderr, and what installing and building say only when they fail: stdout is the program's. Of an
 * `npm start` that runs here it gets the settings that nobody set. Resolves to its exit code, 130 when it was stopped.
 * @param {string} path below the root
 * @param {readonly string[]} args
 * @param {{ root?: string, env?: NodeJS.ProcessEnv, prepare?: typeof prepareWorkspace }} options
 * @returns {Promise<number>}
 */
export async function runProgram(path, args, { root = ROOT, env = process.env, prepare = prepareWorkspace } = {}) {
  const print = createPrinter(process.stderr);
  /** @type {[name: string, text: string][]} */
  const held = [];
  const stack = createStack({ root, print: { ...print, line: (name, text) => held.push([name, text]) } });
  const stop = listenForStop();

  try {
    const slow = setTimeout(() => print.say('Installing and building what has changed …'), PATIENCE_MS);
    await Promise.race([prepare(root, env, stack.run), aborted(stop.asked)]).finally(() => clearTimeout(slow));
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
    for (const [name, text] of held) print.line(name, text);
    print.problem(error.message);
    return 1;
  } finally {
    await stack.stopAll(stop.forced);
  }
}
