import { setTimeout as delay } from 'node:timers/promises';
import { Problem } from './problem.mjs';
import { howItEnded } from './processes.mjs';

/**
 * When a process that ended is restarted. Times are in ms.
 * @typedef {{
 *   firstWaitMs: number, longestWaitMs: number, early: { withinMs: number, most: number }, wellAfterMs: number,
 * }} Pace
 * @typedef {{ earlyEnds: number, waits: number }} History consecutive early ends of a process, and waits since it last ran well
 */

/** @type {Pace} */
export const PACE = {
  firstWaitMs: 1_000,
  longestWaitMs: 30_000,
  early: { withinMs: 10_000, most: 5 },
  wellAfterMs: 60_000,
};

/** @type {History} */
export const NO_HISTORY = { earlyEnds: 0, waits: 0 };

/**
 * Decides what follows the end of a process that ran for `ranMs`: a restart after a wait, which doubles each time until the
 * process runs well for a while, or no restart after too many consecutive early ends.
 * @param {History} history
 * @param {number} ranMs
 * @param {Pace} pace
 * @returns {{ waitMs: number, history: History } | undefined} undefined for no restart
 */
export function afterEnd(history, ranMs, { firstWaitMs, longestWaitMs, early, wellAfterMs } = PACE) {
  const earlyEnds = ranMs < early.withinMs ? history.earlyEnds + 1 : 0;
  if (earlyEnds >= early.most) return undefined;
  const waits = ranMs < wellAfterMs ? history.waits : 0;
  return {
    waitMs: Math.min(firstWaitMs * 2 ** waits, longestWaitMs),
    history: { earlyEnds, waits: waits + 1 },
  };
}

/** How many of the last lines are shown before a restart; without a restart, all kept lines are shown. */
const LINES_SHOWN = 5;

/**
 * Keeps a process running: restarts it after a wait whenever it ends, until `stop` is called. Calls `onGivenUp` with the reason
 * when it is not restarted.
 * @param {{
 *   name: string, graceMs: number, next: () => Promise<() => import('./processes.mjs').Child>,
 *   pace: Pace, print: import('./printer.mjs').Printer, onGivenUp: (reason: unknown) => void,
 * }} options `next` prepares the next start and returns the function that starts the process
 * @returns {{ stop(force?: AbortSignal): Promise<void> }}
 */
export function keepRunning({ name, graceMs, next, pace, print, onGivenUp }) {
  const stopping = new AbortController();
  const { signal } = stopping;
  /** @type {import('./processes.mjs').Child | undefined} */
  let child;

  const live = async () => {
    for (let history = NO_HISTORY; ; ) {
      const begin = await next();
      if (signal.aborted) return;
      const began = performance.now();
      child = begin();
      const exit = await child.exited;
      if (signal.aborted) return;
      const ranMs = performance.now() - began;
      await child.stop(0); // its remaining children may still use its port
      const then = afterEnd(history, ranMs, pace);
      if (then === undefined) {
        print.line(
          name,
          `${howItEnded(exit)}, ${pace.early.most} times in a row soon after its start; stopping the rest`,
        );
        throw new Problem(`${name} ${howItEnded(exit)}. Its last lines:`, child.tail());
      }
      print.line(name, `${howItEnded(exit)}; it is started again in ${then.waitMs / 1000} s. Its last lines:`);
      for (const line of child.tail().slice(-LINES_SHOWN)) print.line(name, `  ${line}`);
      history = then.history;
      await delay(then.waitMs, undefined, { signal }).catch(() => undefined);
      if (signal.aborted) return;
    }
  };
  const living = live().catch(onGivenUp);

  return {
    async stop(force) {
      stopping.abort();
      if (child !== undefined) {
        if (!child.hasExited()) print.line(name, 'stopping');
        await child.stop(graceMs, force);
      }
      await living;
    },
  };
}
