import { setTimeout as delay } from 'node:timers/promises';
import { Problem } from './problem.mjs';
import { howItEnded } from './processes.mjs';
import { afterEnd, NO_PAST } from './restart-policy.mjs';

/** Of a process that is started again; all that are kept are shown when it is not. */
const LINES_SHOWN = 5;

/**
 * Keeps a process running: whenever it ends it is started again, after a while, until `stop` is called. `onGivenUp` is
 * told why that is not done any more.
 * @param {{
 *   name: string, graceMs: number, next: () => Promise<() => import('./processes.mjs').Child>,
 *   pace: import('./restart-policy.mjs').Pace, print: import('./printer.mjs').Printer, onGivenUp: (reason: unknown) => void,
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
