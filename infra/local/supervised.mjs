import { setTimeout as delay } from 'node:timers/promises';
import { Problem } from './problem.mjs';
import { howItEnded } from './processes.mjs';

/**
 * When a process that ended is started again. Times are in ms.
 * @typedef {{
 *   firstWaitMs: number, longestWaitMs: number, early: { withinMs: number, most: number }, wellAfterMs: number,
 * }} Pace
 * @typedef {{ earlyEnds: number, waits: number }} Past what a process has been through: ends in a row that came early, and waits
 *   since it last ran well
 */

/** @type {Pace} */
export const PACE = {
  firstWaitMs: 1_000,
  longestWaitMs: 30_000,
  early: { withinMs: 10_000, most: 5 },
  wellAfterMs: 60_000,
};

/** @type {Past} */
export const NO_PAST = { earlyEnds: 0, waits: 0 };

/**
 * What follows when a process has ended after `ranMs`: a wait, twice as long each time until it runs well for a while;
 * or nothing, when so many of its lives in a row were over so early that the next one would be too.
 * @param {Past} past
 * @param {number} ranMs
 * @param {Pace} pace
 * @returns {{ waitMs: number, past: Past } | undefined} undefined: it is not to be started again
 */
export function afterEnd(past, ranMs, { firstWaitMs, longestWaitMs, early, wellAfterMs } = PACE) {
  const earlyEnds = ranMs < early.withinMs ? past.earlyEnds + 1 : 0;
  if (earlyEnds >= early.most) return undefined;
  const waits = ranMs < wellAfterMs ? past.waits : 0;
  return {
    waitMs: Math.min(firstWaitMs * 2 ** waits, longestWaitMs),
    past: { earlyEnds, waits: waits + 1 },
  };
}

/** Of a process that is started again; all that are kept are shown when it is not. */
const LINES_SHOWN = 5;

/**
 * Keeps a process running: whenever it ends it is started again, after a while, until `stop` is called. `onGivenUp` is
 * told why that is not done any more.
 * @param {{
 *   name: string, graceMs: number, next: () => Promise<() => import('./processes.mjs').Child>,
 *   pace: Pace, print: import('./printer.mjs').Printer, onGivenUp: (reason: unknown) => void,
 * }} options `next` makes all ready for the next life and gives what begins it
 * @returns {{ stop(force?: AbortSignal): Promise<void> }}
 */
export function keepRunning({ name, graceMs, next, pace, print, onGivenUp }) {
  const stopping = new AbortController();
  const { signal } = stopping;
  /** @type {import('./processes.mjs').Child | undefined} */
  let child;

  const live = async () => {
    for (let past = NO_PAST; ; ) {
      const begin = await next();
      if (signal.aborted) return;
      const began = performance.now();
      child = begin();
      const exit = await child.exited;
      if (signal.aborted) return;
      const ranMs = performance.now() - began;
      await child.stop(0); // what it has left behind may hold its port
      const then = afterEnd(past, ranMs, pace);
      if (then === undefined) {
        print.line(
          name,
          `${howItEnded(exit)}, ${pace.early.most} times in a row soon after its start; stopping the rest`,
        );
        throw new Problem(`${name} ${howItEnded(exit)}. Its last lines:`, child.tail());
      }
      print.line(name, `${howItEnded(exit)}; it is started again in ${then.waitMs / 1000} s. Its last lines:`);
      for (const line of child.tail().slice(-LINES_SHOWN)) print.line(name, `  ${line}`);
      past = then.past;
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
