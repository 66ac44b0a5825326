/** npm passes on the signal that the terminal has sent us already: what follows this soon is the same key press. */
const SAME_KEY_PRESS_MS = 400;
const INTERRUPTED = 130;

let asked: AbortController | undefined;

/** Aborted by Ctrl-C, SIGTERM or a closed terminal, which then no longer end the process; a second one does. */
export function interruption(): AbortSignal {
  if (asked !== undefined) return asked.signal;
  const controller = new AbortController();
  asked = controller;
  let first = 0;
  const onSignal = () => {
    if (!controller.signal.aborted) {
      first = performance.now();
      controller.abort();
    } else if (performance.now() - first > SAME_KEY_PRESS_MS) process.exit(INTERRUPTED);
  };
  for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(name, onSignal);
  return controller.signal;
}
