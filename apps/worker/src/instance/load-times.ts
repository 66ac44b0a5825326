import type { SharedLoadTimes } from '@comfy-fleet/jobs';
import type { Logger } from '@comfy-fleet/telemetry';

/** How long model files take to load, wherever in the fleet that was seen. */
export interface LoadTimes {
  /** In ms; undefined: nobody has seen it loaded. */
  of(file: string): number | undefined;
  /** It was seen to take so many ms. */
  learn(file: string, ms: number): void;
  /** Called when the time of a file may have changed. */
  onChange(listener: () => void): void;
  /** Reads what others have learned; to be called from time to time. */
  read(): Promise<void>;
}

export function createLoadTimes(shared: SharedLoadTimes, log: Logger): LoadTimes {
  const listeners: (() => void)[] = [];
  let known: ReadonlyMap<string, number> = new Map();
  const know = (times: ReadonlyMap<string, number>) => {
    const isNew = times.size !== known.size || [...times].some(([file, ms]) => known.get(file) !== ms);
    known = times;
    if (!isNew) return;
    for (const listener of listeners) listener();
  };
  return {
    of: (file) => known.get(file),
    learn: (file, ms) => {
      shared.learn(file, ms).then(
        (average) => know(new Map([...known, [file, average]])),
        (error: unknown) => log.warn('how long a model took to load could not be noted', { file, error }),
      );
    },
    onChange: (listener) => {
      listeners.push(listener);
    },
    read: async () => know(await shared.read()),
  };
}
