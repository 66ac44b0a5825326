import { type Config, ConfigError, type ModelCredential } from '@comfy-fleet/config';
import { createSafeHttp, type SafeHttp } from '@comfy-fleet/safe-http';
import type { Logger, Metrics } from '@comfy-fleet/telemetry';
import { Credentials } from './credentials.js';
import { folderId } from './folder.js';
import { Keeper, type KeeperOptions } from './keeper.js';
import { createModelMeters } from './meters.js';
import { startPeerServer } from './peers.js';
import { MODEL_HOSTS } from './sources.js';

/** What this worker needs to manage models folders. */
export type ModelSetup = Awaited<ReturnType<typeof modelSetup>>;

interface Options {
  readonly config: Pick<Config, 'models'>;
  readonly credentials: readonly ModelCredential[];
  /** Ports of the fleet's own services, which no source may use on private hosts. */
  readonly ports: readonly number[];
  readonly metrics: Metrics;
  readonly log: Logger;
}

/** A source that sends nothing for so long is given up. */
const IDLE_MS = 30_000;
/** Pause before the first repetition of a request. */
const RETRY_MS = 1000;
const CONNECTIONS = 4;
/** The connections of all fetches of a folder together repeat at most one chunk after a kill. */
const CELLS_PER_CHUNK = 8;

export async function modelSetup({ config, credentials, ports, metrics, log }: Options) {
  const { maxBytes, minFreeBytes, allowPickle, sourceAllow, chunkBytes, evictAfterMs, urlMaxBytes, peers } =
    config.models;
  const meters = createModelMeters(metrics);
  const keepers: Keeper[] = [];
  const fetching: KeeperOptions['fetching'] = {
    http: openHttp(sourceAllow, ports),
    credentials: new Credentials(credentials),
    hosts: MODEL_HOSTS,
    rules: {
      cellBytes: Math.ceil(chunkBytes / CELLS_PER_CHUNK),
      connections: CONNECTIONS,
      idleMs: IDLE_MS,
      retryMs: RETRY_MS,
    },
    allowPickle,
    maxUrlBytes: urlMaxBytes,
  };
  const { url, token = '', bytesPerSecond } = peers;
  const server =
    url === undefined
      ? undefined
      : await startPeerServer({
          port: Number(new URL(url).port || 80),
          token,
          bytesPerSecond,
          find: (id) => keepers.map((keeper) => keeper.shared(id)).find((file) => file !== undefined),
          log,
        });
  return {
    /** The id in a models folder. Rejects while the folder cannot be used. */
    idOf: folderId,
    createKeeper: (of: Pick<KeeperOptions, 'id' | 'dir' | 'worker' | 'models' | 'planner' | 'signal'>): Keeper => {
      const limits = { maxBytes, minFreeBytes };
      const keeper = new Keeper({ ...of, limits, peers, fetching, evictAfterMs, meters, log });
      keepers.push(keeper);
      return keeper;
    },
    /** Stops serving models to other hosts. */
    close: async () => server?.close(),
  };
}

function openHttp(allow: readonly string[], ownPorts: readonly number[]): SafeHttp {
  try {
    return createSafeHttp({ allow, ownPorts });
  } catch (error) {
    throw new ConfigError([`MODEL_SOURCE_ALLOW: ${error instanceof Error ? error.message : String(error)}`]);
  }
}
