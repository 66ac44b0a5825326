import { orAborted } from '@comfy-fleet/contracts';

export interface Shared<K, T> {
  /**
   * Joins the work of this key, or begins it. It goes on as long as somebody waits for it: its signal aborts when the
   * last one's does. Throws what the work throws, and the reason of one's own signal.
   */
  join(key: K, signal: AbortSignal, work: (signal: AbortSignal) => Promise<T>): Promise<T>;
}

interface Running<T> {
  readonly result: Promise<T>;
  readonly controller: AbortController;
  waiting: number;
}

/** Lets those who want the same thing at the same time share the work for it. */
export function shareWork<K, T>(): Shared<K, T> {
  const running = new Map<K, Running<T>>();

  function begin(key: K, work: (signal: AbortSignal) => Promise<T>): Running<T> {
    const controller = new AbortController();
    const entry: Running<T> = { result: work(controller.signal), controller, waiting: 0 };
    running.set(key, entry);
    const end = () => {
      if (running.get(key) === entry) running.delete(key);
    };
    entry.result.then(end, end);
    return entry;
  }

  return {
    join: async (key, signal, work) => {
      signal.throwIfAborted();
      const entry = running.get(key) ?? begin(key, work);
      entry.waiting += 1;
      try {
        return await orAborted(entry.result, signal);
      } finally {
        entry.waiting -= 1;
        if (entry.waiting === 0) {
          // whoever comes now must not join what is being given up
          if (running.get(key) === entry) running.delete(key);
          entry.controller.abort(signal.reason);
        }
      }
    },
  };
}
