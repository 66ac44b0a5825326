/** npm repeats the signal that the terminal has already sent. A signal within this time belongs to the same key press. */
const SAME_KEY_PRESS_MS = 400;

/**
 * Ctrl-C, SIGTERM and a closed terminal request a stop, and a second signal forces it. Further signals have no effect, so that
 * the process still reports how it ended.
 * @returns {{ asked: AbortSignal, forced: AbortSignal }}
 */
export function listenForStop() {
  const asked = new AbortController();
  const forced = new AbortController();
  let first = 0;
  const onSignal = () => {
    const now = performance.now();
    if (!asked.signal.aborted) {
      first = now;
      asked.abort();
    } else if (now - first > SAME_KEY_PRESS_MS) forced.abort();
  };
  const names = /** @type {const} */ (['SIGINT', 'SIGTERM', 'SIGHUP']);
  for (const name of names) process.on(name, onSignal);
  process.stdout.on('error', onSignal); // the reader of the log is gone
  return { asked: asked.signal, forced: forced.signal };
}

/**
 * Resolves when `signal` is aborted.
 * @param {AbortSignal} signal
 * @returns {Promise<void>}
 */
export function aborted(signal) {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener('abort', () => resolve(), { once: true });
  });
}
