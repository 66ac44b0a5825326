import { Problem } from './problem.mjs';
import { howItEnded, launch } from './processes.mjs';

/**
 * @typedef {{ env: NodeJS.ProcessEnv, graceMs: number, shows?: (line: string) => boolean, onStart?: (pid: number) => void }} ServiceOptions
 * @typedef {{
 *   failed: Promise<never>,
 *   start(name: string, command: string, args: readonly string[], options: ServiceOptions): void,
 *   run(name: string, command: string, args: readonly string[], env?: NodeJS.ProcessEnv): Promise<void>,
 *   stopAll(force?: AbortSignal): Promise<void>,
 * }} Fleet
 */

/**
 * The processes of this run. Services are to run until they are stopped: `failed` rejects with a Problem when one ends
 * by itself. `stopAll` ends what runs, the last started first, each with its time to finish, or at once when `force` is
 * aborted.
 * @param {{ root: string, print: import('./printer.mjs').Printer }} options
 * @returns {Fleet}
 */
export function createFleet({ root, print }) {
  /** @type {{ child: import('./processes.mjs').Child, graceMs: number }[]} */
  const running = [];
  let stopping = false;
  /** @type {(problem: Problem) => void} */
  let fail = () => undefined;
  /** @type {Promise<never>} */
  const failed = new Promise((_resolve, reject) => {
    fail = reject;
  });
  failed.catch(() => undefined); // also when nobody is waiting for it any more

  /** @type {(name: string, command: string, args: readonly string[], options: ServiceOptions) => import('./processes.mjs').Child} */
  const begin = (name, command, args, { env, graceMs, shows = () => true }) => {
    if (stopping) throw new Problem(`Stopped before ${name} was started.`);
    const onLine = (/** @type {string} */ line) => shows(line) && print.line(name, line);
    const child = launch(name, command, args, { cwd: root, env, onLine });
    running.push({ child, graceMs });
    return child;
  };

  return {
    failed,
    start(name, command, args, options) {
      const child = begin(name, command, args, options);
      if (child.pid !== undefined) options.onStart?.(child.pid);
      void child.exited.then((exit) => {
        if (stopping) return;
        print.line(name, `${howItEnded(exit)}; stopping the rest`);
        fail(new Problem(`${name} ${howItEnded(exit)}. Its last lines:`, child.tail()));
      });
    },
    async run(name, command, args, env = process.env) {
      const child = begin(name, command, args, { env, graceMs: 2_000, shows: (line) => line.trim() !== '' });
      const exit = await child.exited;
      running.splice(
        running.findIndex((each) => each.child === child),
        1,
      );
      if (exit.code !== 0) throw new Problem(`${name} ${howItEnded(exit)}.`);
    },
    async stopAll(force) {
      stopping = true;
      for (const { child, graceMs } of [...running].reverse()) {
        if (!child.hasExited()) print.line(child.name, 'stopping');
        await child.stop(graceMs, force);
      }
    },
  };
}
