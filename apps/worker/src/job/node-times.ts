import type { NodeTiming, NodeTimes as SharedNodeTimes } from '@comfy-fleet/jobs';
import type { Logger } from '@comfy-fleet/telemetry';
import { LRUCache } from 'lru-cache';

/** How long the nodes of workflows execute, wherever in the fleet that was seen. */
export interface NodeTimes {
  /** In ms by node id, as far as it is known by now; asks for what others have learned. */
  of(version: string): ReadonlyMap<string, number>;
  /** An execution of it was heard from its beginning to its end. */
  learn(version: string, timings: readonly NodeTiming[]): void;
}

/** Versions that are kept in mind; a worker runs few at a time. */
const MOST_VERSIONS = 100;
/** How old what is known may be: it only weighs the parts of a progress bar. */
const FRESH_MS = 60_000;

const NONE: ReadonlyMap<string, number> = new Map();

export function createNodeTimes(shared: SharedNodeTimes, log: Logger): NodeTimes {
  const known = new LRUCache<string, { times: ReadonlyMap<string, number>; readAt: number }>({ max: MOST_VERSIONS });

  const read = (version: string) => {
    const entry = known.get(version) ?? { times: NONE, readAt: Number.NEGATIVE_INFINITY };
    if (performance.now() - entry.readAt < FRESH_MS) return entry.times;
    entry.readAt = performance.now();
    known.set(version, entry);
    shared.read(version).then(
      (times) => {
        entry.times = times;
      },
      (error: unknown) => log.debug('how long nodes take is not known', { error }),
    );
    return entry.times;
  };

  return {
    of: read,
    learn: (version, timings) => {
      shared
        .learn(version, timings)
        .catch((error: unknown) => log.debug('how long nodes took could not be noted', { error }));
    },
  };
}
