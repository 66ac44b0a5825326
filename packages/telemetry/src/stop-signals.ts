import type { Logger } from './logger.js';

export interface StopOptions {
  /** The orderly end. */
  readonly stop: () => Promise<void>;
  /** ms for it; then the process ends with the rest undone. */
  readonly withinMs: number;
  /** For the line that says that it is stopping. */
  readonly about?: Readonly<Record<string, unknown>>;
  readonly log: Logger;
}

/**
 * The one rule of all services: the first SIGTERM or SIGINT begins the orderly end; a second one, of either kind, ends the
 * process at once with code 1, for whoever does not want to wait. That loses nothing: what is under way is done by another,
 * as after any death. Exits with 0, or with `process.exitCode` if that is set.
 */
export function stopOnSignals(
  { stop, withinMs, about = {}, log }: StopOptions,
  own: Pick<NodeJS.Process, 'on' | 'exit'> = process,
): void {
  let isStopping = false;
  const begin = async (signal: NodeJS.Signals) => {
    log.info('stopping', { signal, ...about });
    const late = setTimeout(() => {
      log.error('stopping took too long; the rest is left undone', { after_ms: withinMs });
      own.exit(1);
    }, withinMs);
    late.unref();
    try {
      await stop();
    } catch (error) {
      log.error('stopping failed', { error });
      own.exit(1);
      return;
    }
    clearTimeout(late);
    log.info('stopped');
    own.exit();
  };
  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    own.on(signal, () => {
      if (isStopping) {
        log.warn('ending at once: asked to stop a second time', { signal });
        own.exit(1);
        return;
      }
      isStopping = true;
      void begin(signal);
    });
  }
}
