import { setTimeout as delay } from 'node:timers/promises';
import { joinSignals } from './join-signals.mjs';

const POLL_MS = 100;
const PROBE_DEADLINE_MS = 3_000;
const REPORT_EVERY_MS = 10_000;
const SILENT = 'it does not answer';
/** A process that does not answer for this long is hung; a busy machine delays responses by seconds. */
const WATCH = { everyMs: 10_000, hungAfterMs: 60_000 };

/**
 * Waits, without a limit because GPUs may still be starting, until the URL answers 200. Reports from time to time why it does
 * not.
 * @param {string} name
 * @param {() => string} url the URL, which can change with each start of the process
 * @param {{ signal: AbortSignal, print: import('./printer.mjs').Printer }} options
 */
export async function untilReady(name, url, { signal, print }) {
  let reportedAt = performance.now();
  for (;;) {
    const reason = await whyNot(url(), signal);
    if (reason === undefined) return;
    if (performance.now() - reportedAt > REPORT_EVERY_MS) {
      print.line(name, `not ready yet: ${reason}`);
      reportedAt = performance.now();
    }
    await delay(POLL_MS, undefined, { signal });
  }
}

/**
 * Calls `onHung` each time the URL has not answered with any status for `hungAfterMs`, until the signal aborts.
 * @param {() => string} url
 * @param {() => void} onHung
 * @param {AbortSignal} signal
 */
export async function watch(url, onHung, signal, { everyMs, hungAfterMs } = WATCH) {
  for (let answered = performance.now(); !signal.aborted; ) {
    const isSilent = (await whyNot(url(), signal)) === SILENT;
    const isHung = isSilent && performance.now() - answered > hungAfterMs;
    if (isHung && !signal.aborted) onHung();
    if (isHung || !isSilent) answered = performance.now();
    await delay(everyMs, undefined, { signal, ref: false }).catch(() => undefined);
  }
}

/**
 * @param {string} url
 * @param {AbortSignal} signal
 * @returns {Promise<string | undefined>}
 */
async function whyNot(url, signal) {
  const late = joinSignals([signal], PROBE_DEADLINE_MS);
  try {
    const answer = await fetch(url, { signal: late.signal });
    const body = await answer.text();
    return answer.status === 200 ? undefined : reasonsIn(body);
  } catch {
    return SILENT;
  } finally {
    late.end();
  }
}

/** @param {string} body */
function reasonsIn(body) {
  try {
    const { reasons } = JSON.parse(body);
    if (Array.isArray(reasons) && reasons.length > 0) return reasons.join('; ');
  } catch {
    // Not JSON: show the text.
  }
  return body.slice(0, 200);
}
