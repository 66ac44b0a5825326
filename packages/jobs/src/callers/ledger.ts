import type { RedisSettings } from '@comfy-fleet/config';
import { createReplication, createSubscriptions, producerConnection } from '@comfy-fleet/redis';
import type { Logger } from '@comfy-fleet/telemetry';
import { orUnavailable, withScripts } from '../connection.js';
import { readRedisFigures } from '../figures/redis-info.js';
import { createStorage } from '../figures/storage.js';
import { createKeys } from '../keys.js';
import { createModels } from '../models/models.js';
import { createUrlModels } from '../models/url-models.js';
import { createHousekeepingQueue } from '../queue/schedules.js';
import { createWorkQueues } from '../queue/work-queues.js';
import { createPayloads, type PayloadFiles } from '../record/payloads.js';
import { createReuse } from '../record/reuse.js';
import { createUrlSigner } from '../record/url-signer.js';
import { createWorkflowRegistry } from '../record/workflows.js';
import { createDeliveryQueue } from '../webhooks/delivery-queue.js';
import { createJobLife, createJobWebhooks } from '../webhooks/job-webhooks.js';
import { readInstanceNames } from '../workers/instance-files.js';
import { createNodeTimes } from '../workers/learned-times.js';
import { createAccounts } from './accounts.js';
import { createAssets } from './assets.js';
import { createBatchedReads } from './batched-reads.js';
import { createFleet } from './fleet.js';
import { createJobs } from './jobs.js';
import { createKeyJobs } from './key-jobs.js';
import type { OrderBounds } from './new-order.js';
import { createOrders } from './orders.js';

/** The ledger as the API sees it. */
export type Ledger = ReturnType<typeof createLedger>;

export interface LedgerOptions extends OrderBounds {
  readonly redis: RedisSettings;
  /** Where large graphs and origins are stored. */
  readonly files: PayloadFiles;
  readonly jobTtlSeconds: number;
  /** How long an asset lives after its last use. */
  readonly assetTtlSeconds: number;
  /** How long a signed URL is valid, at least. */
  readonly signedUrlSeconds: number;
  /** How many versions of each workflow are kept. */
  readonly maxWorkflowVersions: number;
  readonly log: Logger;
}

export function createLedger(options: LedgerOptions) {
  const { log, jobTtlSeconds } = options;
  const keys = createKeys(options.redis.prefix);
  const redis = withScripts(producerConnection(options.redis, log));
  const subscriptions = createSubscriptions(producerConnection(options.redis, log), keys.pools, log);
  // A connection for lists, because large answers must not delay orders and single jobs.
  const listing = withScripts(producerConnection(options.redis, log));
  // A connection for writes that wait for replicas, because that blocks everything else on it.
  const writing = options.redis.wait === undefined ? redis : withScripts(producerConnection(options.redis, log));
  const replication = createReplication(writing, keys.replicated, options.redis.wait, log);
  const queues = createWorkQueues(redis, keys, log);
  const deliveries = createDeliveryQueue(redis, keys, log);
  const housekeeping = createHousekeepingQueue(redis, keys, log);
  const reads = createBatchedReads(redis, keys);
  const payloads = createPayloads(options.files);
  const models = createModels(redis, keys);
  const instanceNames = () => readInstanceNames(redis, keys);
  return {
    orders: createOrders(writing, keys, replication, payloads, options),
    jobs: {
      ...createJobs({ redis, listing, keys, subscriptions, reads, payloads, jobTtlSeconds }),
      ...createKeyJobs(listing, keys, subscriptions),
    },
    webhooks: createJobWebhooks(redis, keys, deliveries, createJobLife(redis, keys, jobTtlSeconds)),
    accounts: createAccounts(redis, keys, reads.count),
    assets: createAssets(redis, keys, options),
    storage: createStorage(redis, keys, options),
    fleet: createFleet(redis, keys, queues),
    workflows: createWorkflowRegistry(redis, keys, options),
    models: { ...models, ...createUrlModels(models, async (...parts) => (await instanceNames()).model(...parts)) },
    /** How many ms the nodes of a version of a workflow take, by node id. */
    nodeTimes: createNodeTimes(redis, keys),
    reuse: createReuse(redis, keys, { jobTtlSeconds }),
    urls: createUrlSigner(redis, keys, { ttlSeconds: options.signedUrlSeconds }),
    /** BullMQ's queues of all pools that were ever used, of webhooks and of the housekeeping, for inspection only. */
    queues: () =>
      orUnavailable(async () => {
        const pools = await redis.smembers(keys.pools);
        return [...pools.sort().map((pool) => queues.of(pool)), deliveries.queue, housekeeping];
      }),
    /** How full Redis is: 1 if it accepts no more writes; 0 if it has no memory limit. */
    fullness: () =>
      orUnavailable(async () => {
        const { memoryBytes, memoryMaxBytes } = await readRedisFigures(listing, 'memory');
        return memoryMaxBytes === 0 ? 0 : memoryBytes / memoryMaxBytes;
      }),
    /** Whether as many replicas as required follow the primary in time. Always true if none are required. */
    replicated: () => orUnavailable(replication.begin()),
    /** Round-trip time in ms of the slower one of the reading and the subscribed connection. */
    ping: () =>
      orUnavailable(async () => {
        const start = performance.now();
        // A ping on this connection would wait for replicas, too.
        if (writing.status !== 'ready') throw new Error('the connection that writes is not ready');
        await Promise.all([redis.ping(), subscriptions.ping()]);
        return performance.now() - start;
      }),
    close: async () => {
      subscriptions.close();
      await Promise.all([queues.close(), deliveries.close(), housekeeping.close()]).catch((error: unknown) =>
        log.debug('closing the queues failed', { error }),
      );
      writing.disconnect();
      listing.disconnect();
      redis.disconnect();
    },
  };
}
