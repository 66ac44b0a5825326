import type { NodeTime, NodeTimes as SharedNodeTimes } from '@comfy-fleet/jobs';
import type { Logger } from '@comfy-fleet/telemetry';
import { LRUCache } from 'lru-cache';

/** Knows how long the nodes of workflows execute, as measured anywhere in the fleet. */
export interface NodeTimes {
  /** In ms per unit of work, by node id, as far as known now; reads what others measured in the background. */
  of(version: string): ReadonlyMap<string, number>;
  /** Reports the times of an execution that was observed from beginning to end. */
  learn(version: string, times: readonly NodeTime[]): void;
}

/** Versions in memory; a worker runs few at a time. */
const MOST_VERSIONS = 100;
/** How old the times may get; they only weigh the parts of a progress bar. */
const FRESH_MS = 60_000;

/** Shortest time between two reports for a version: few executions are kept, and those of one moment are alike. */
const SHARE_MS = 1000;

const NONE: ReadonlyMap<string, number> = new Map();

interface Known {
  times: ReadonlyMap<string, number>;
  /** By performance.now(). */
  readAt: number;
  sharedAt: number;
}

export function createNodeTimes(shared: SharedNodeTimes, log: Logger): NodeTimes {
  const known = new LRUCache<string, Known>({ max: MOST_VERSIONS });

  const entryOf = (version: string): Known => {
    const entry = known.get(version) ?? {
      times: NONE,
      readAt: Number.NEGATIVE_INFINITY,
      sharedAt: Number.NEGATIVE_INFINITY,
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
        (error: unknown) => log.debug('could not read how long nodes take', { error }),
      );
      return entry.times;
    },
    learn: (version, times) => {
      const entry = entryOf(version);
      if (performance.now() - entry.sharedAt < SHARE_MS) return;
      entry.sharedAt = performance.now();
      shared.learn(version, times).then(
        () => {
          entry.readAt = Number.NEGATIVE_INFINITY;
        },
        (error: unknown) => log.debug('could not record how long nodes took', { error }),
      );
    },
  };
}
