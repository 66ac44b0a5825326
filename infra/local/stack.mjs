import { Problem } from './problem.mjs';
import { HAS_GROUPS, howItEnded, launch } from './processes.mjs';
import { keepRunning, PACE } from './supervised.mjs';

/**
 * @typedef {{ command: string, args: readonly string[], env: NodeJS.ProcessEnv }} Launch
 * @typedef {{
 *   next: () => Promise<Launch>, graceMs: number, shows?: (line: string) => boolean, onStart?: (pid: number) => void,
 * }} Service `next` is called before each start, `onStart` after it
 * @typedef {{
 *   failed: Promise<never>,
 *   start(name: string, service: Service): void,
 *   run(name: string, command: string, args: readonly string[], env?: NodeJS.ProcessEnv,
 *     onLine?: (line: string) => void): Promise<void>,
 *   stopAll(force?: AbortSignal): Promise<void>,
 * }} Stack
 */

/**
 * The processes of this run. Services that end by themselves are restarted; `failed` rejects with a Problem when a service fails
 * too often. `stopAll` stops the processes one by one, the last started first, with time to finish, or at once if `force` is
 * aborted. Until its turn, a service keeps running, because the others need it to finish.
 * @param {{ root: string, print: import('./printer.mjs').Printer, pace?: import('./supervised.mjs').Pace }} options
 * @returns {Stack}
 */
export function createStack({ root, print, pace = PACE }) {
  /** @type {{ stop(force?: AbortSignal): Promise<void> }[]} */
  const running = [];
  let stopping = false;
  /** @type {(reason: unknown) => void} */
  let fail = () => undefined;
  /** @type {Promise<never>} */
  const failed = new Promise((_resolve, reject) => {
    fail = reject;
  });
  failed.catch(() => undefined); // prevents an unhandled rejection if nobody waits

  /** @param {string} name */
  const refuseWhenStopping = (name) => {
    if (stopping) throw new Problem(`Stopped before ${name} was started.`);
  };

  return {
    failed,
    start(name, { next, graceMs, shows = () => true, onStart }) {
      refuseWhenStopping(name);
      const onLine = (/** @type {string} */ line) => shows(line) && print.line(name, line);
      const prepare = async () => {
        const { command, args, env } = await next();
        return () => {
          const child = launch(name, command, args, { cwd: root, env, onLine });
          if (child.pid !== undefined) onStart?.(child.pid);
          return child;
        };
      };
      running.push(keepRunning({ name, graceMs, next: prepare, pace, print, onGivenUp: fail }));
    },
    async run(name, command, args, env = process.env, onLine = (line) => print.line(name, line)) {
      refuseWhenStopping(name);
      const child = launch(name, command, args, {
        cwd: root,
        env,
        onLine: (line) => line.trim() !== '' && onLine(line),
      });
      const one = {
        stop: async (/** @type {AbortSignal | undefined} */ force) => {
          if (!child.hasExited()) print.line(name, 'stopping');
          await child.stop(2_000, force);
        },
      };
      running.push(one);
      const exit = await child.exited;
      running.splice(running.indexOf(one), 1);
      if (exit.code !== 0) throw new Problem(`${name} ${howItEnded(exit)}.`);
    },
    async stopAll(force) {
      stopping = true;
      const all = [...running].reverse();
      if (HAS_GROUPS) for (const one of all) await one.stop(force);
      else await Promise.all(all.map((one) => one.stop(force))); // Ctrl-C has already reached all processes
    },
  };
}
