import { spawn } from 'node:child_process';
import { once } from 'node:events';

const LOOPS = 4;
/** Exits when its parent is gone, even if the parent was killed before the loop began. */
const LOOP = `for (;;) if (process.ppid !== ${process.pid}) process.exit();`;

/**
 * Runs a Node program next to busy loops, which end with it in any case. Passes signals on to the program and waits until it
 * stops.
 * @param {string} path
 * @param {readonly string[]} args
 * @returns {Promise<number>} its exit code
 */
export async function besideBusyLoops(path, args) {
  const loops = Array.from({ length: LOOPS }, () => spawn(process.execPath, ['-e', LOOP], { stdio: 'ignore' }));
  try {
    console.log(`Busy loops: ${loops.map(({ pid }) => pid).join(' ')}`);
    const program = spawn(process.execPath, [path, ...args], { stdio: 'inherit' });
    for (const name of /** @type {const} */ (['SIGINT', 'SIGTERM', 'SIGHUP'])) {
      process.on(name, () => program.kill(name));
    }
    const [code] = await once(program, 'exit');
    return code ?? 1;
  } finally {
    for (const loop of loops) loop.kill('SIGKILL');
  }
}
