import type { NodeTime, NodeTimes as SharedNodeTimes } from '@comfy-fleet/jobs';
import type { Logger } from '@comfy-fleet/telemetry';
import { LRUCache } from 'lru-cache';

/** How long the nodes of workflows execute, wherever in the fleet that was seen. */
export interface NodeTimes {
  /** For a unit of their work, in ms by node id, as far as it is known by now; asks for what others have learned. */
  of(version: string): ReadonlyMap<string, number>;
  /** An execution of it was heard from its beginning to its end. */
  learn(version: string, times: readonly NodeTime[]): void;
}

/** Versions that are kept in mind; a worker runs few at a time. */
const MOST_VERSIONS = 100;
/** How old what is known may be: it only weighs the parts of a progress bar. */
const FRESH_MS = 60_000;

/** Between two executions of a version that the others are told of: few are remembered, and those of one moment are alike. */
const TELL_MS = 1000;

const NONE: ReadonlyMap<string, number> = new Map();

interface Known {
  times: ReadonlyMap<string, number>;
  /** By performance.now(). */
  readAt: number;
  toldAt: number;
}

export function createNodeTimes(shared: SharedNodeTimes, log: Logger): NodeTimes {
  const known = new LRUCache<string, Known>({ max: MOST_VERSIONS });

  const entryOf = (version: string): Known => {
    const entry = known.get(version) ?? {
      times: NONE,
      readAt: Number.NEGATIVE_INFINITY,
      toldAt: Number.NEGATIVE_INFINITY,
    };
    known.set(version, entry);
    return entry;
  };

  return {
    of: (version) => {
      const entry = entryOf(version);
      if (performance.now() - entry.readAt < FRESH_MS) return entry.times;
      entry.readAt = performance.now();
      shared.read(version).then(
        (times) => {
          entry.times = new Map([...times].map(([node, { msPerUnit }]) => [node, msPerUnit]));
        },
        (error: unknown) => log.debug('how long nodes take is not known', { error }),
      );
      return entry.times;
    },
    learn: (version, times) => {
      const entry = entryOf(version);
      if (performance.now() - entry.toldAt < TELL_MS) return;
      entry.toldAt = performance.now();
      shared
        .learn(version, times)
        .catch((error: unknown) => log.debug('how long nodes took could not be noted', { error }));
    },
  };
}
