import { FleetError } from '@comfy-fleet/contracts';
import type { Logger } from './logger.js';

export interface StopOptions {
  /** Stops the process in order. */
  readonly stop: () => Promise<void>;
  /** Time for `stop` in ms; then the process exits with the rest undone. */
  readonly withinMs: number;
  /** Fields of the log line that announces the stop. */
  readonly about?: Readonly<Record<string, unknown>>;
  readonly log: Logger;
}

/**
 * The same rule for all services: the first SIGTERM or SIGINT starts an orderly stop; a second one, of either kind,
 * ends the process at once with code 1, for people who do not want to wait. Nothing is lost by that: other processes
 * take over, as after any crash. Exits with 0, or with `process.exitCode` if that is set.
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
        log.warn('exiting at once: asked to stop a second time', { signal });
        own.exit(1);
        return;
      }
      isStopping = true;
      void begin(signal);
    });
  }
}

/** Ends a process that cannot start: prints what the operator can fix, or the stack of any other error. */
export function fail(error: unknown): never {
  process.stderr.write(`${explain(error)}\n`);
  process.exit(1); // open connections and timers would keep the process alive
}

const LISTENING: Readonly<Record<string, string>> = {
  EADDRINUSE: 'stop what listens there, or set another port.',
  EACCES: 'set another port.',
  EADDRNOTAVAIL: 'set an address of this machine.',
};

export function explain(error: unknown): string {
  if (error instanceof FleetError) return error.detail;
  if (!(error instanceof Error)) return String(error);
  // Errors in settings and workflows list their faults.
  if ('faults' in error) return error.message;
  const { code = '', message, stack = message } = error as NodeJS.ErrnoException;
  const fix = Object.hasOwn(LISTENING, code) ? LISTENING[code] : undefined;
  return fix === undefined ? stack : `The process cannot listen (${message}): ${fix}`;
}
