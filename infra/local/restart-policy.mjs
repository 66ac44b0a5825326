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
