import type { RedisSettings } from '@comfy-fleet/config';
import { orAborted } from '@comfy-fleet/contracts';
import { createRedisClock, createReplication, createSubscriptions, workerConnection } from '@comfy-fleet/redis';
import type { Logger } from '@comfy-fleet/telemetry';
import { orUnavailable, runScript, withScripts } from '../connection.js';
import { createKeys } from '../keys.js';
import { createModels } from '../models/models.js';
import { createPayloads, type PayloadFiles } from '../record/payloads.js';
import { readSource, type SourceOwner } from '../record/workflows.js';
import { createAbilityRegistry } from './abilities.js';
import { openClaimSource } from './claim-source.js';
import { createCrossChecks } from './cross-checks.js';
import { createEncodeAheadLedger } from './encode-ahead.js';
import { createFits } from './fits.js';
import { createHaltSource } from './halts.js';
import { createTransitions } from './hold-claim.js';
import { createSharedInputs, readInstanceNames } from './instance-files.js';
import { createNodeTimes, createSharedLoadTimes } from './learned-times.js';
import { createPresence } from './presence.js';
import { createUnwantedPrompts, readKills } from './unwanted-prompts.js';

/**
 * The ledger as a worker sees it. Methods wait while Redis is away. Claims and transitions fail with
 * `queue_unavailable` if Redis answers with an error (a full disk, a replica).
 */
export type WorkerLedger = ReturnType<typeof createWorkerLedger>;

export interface WorkerLedgerOptions {
  readonly redis: RedisSettings;
  /** Where large graphs and origins are stored. */
  readonly files: PayloadFiles;
  readonly worker: string;
  readonly jobTtlSeconds: number;
  /** How often workers may die while they hold a job before the ledger fails it with `worker_killed`. */
  readonly maxWorkerDeaths: number;
  /** How many later jobs of its key may overtake a job. */
  readonly maxOvertakes: number;
  /** How long a job may be passed over for jobs that need less loading. */
  readonly modelPatienceMs: number;
  readonly lockMs: number;
  readonly stalledCheckMs: number;
  /** Interval of announcements. After three missed ones, the worker counts as gone. */
  readonly announceSeconds: number;
  /** ms since 1970; for tests. */
  readonly now?: () => number;
  readonly log: Logger;
}

export function createWorkerLedger(options: WorkerLedgerOptions) {
  const { log, worker, jobTtlSeconds, now = Date.now } = options;
  const keys = createKeys(options.redis.prefix);
  const redis = withScripts(workerConnection(options.redis, log));
  const subscriptions = createSubscriptions(workerConnection(options.redis, log), keys.pools, log);
  // A connection for writes that wait for replicas, because that blocks everything else on it.
  const submitting = options.redis.wait === undefined ? redis : withScripts(workerConnection(options.redis, log));
  const replication = createReplication(submitting, keys.replicated, options.redis.wait, log);
  const clock = createRedisClock(redis, now);
  const transition = createTransitions({ redis, submitting, replication, keys, jobTtlSeconds });
  const payloads = createPayloads(options.files);
  const fits = createFits(redis, keys);
  const rules = { maxOvertakes: options.maxOvertakes, patienceMs: options.modelPatienceMs };
  const claiming = { ...options, redis, keys, payloads, transition, clock, rules, fits, now };

  return {
    /** Opens a source of claims for a pool. */
    claims: (pool: string) => openClaimSource({ ...claiming, pool }),
    /**
     * Calls `listener` with the id of a job that this worker should check, because its caller wants it stopped, an idle
     * instance recalls it, or another worker gave it back. Calls it with undefined if such messages may have been missed:
     * then every held job must be checked.
     */
    onAttention: async (listener: (jobId: string | undefined) => void): Promise<void> => {
      await subscriptions.listen(keys.workerChannel(worker), (message) => {
        if (!message?.includes(' ')) listener(message);
      });
    },
    presence: createPresence({ redis, keys, worker, lifeMs: options.announceSeconds * 3000, clock, log }),
    abilities: createAbilityRegistry(redis, keys),
    fits,
    halts: createHaltSource(redis, keys, subscriptions),
    models: createModels(redis, keys),
    loadTimes: createSharedLoadTimes(redis, keys),
    nodeTimes: createNodeTimes(redis, keys),
    crossChecks: createCrossChecks(redis, keys, worker, subscriptions),
    encodeAhead: createEncodeAheadLedger(redis, keys, worker),
    kills: () => readKills(redis, keys),
    prompts: createUnwantedPrompts(redis, keys, worker),
    /** Names of files on instances. The first worker that calls this creates the secret for them. */
    instanceNames: () => readInstanceNames(redis, keys),
    /** The source of what a job runs; undefined if it is gone. Also throws `storage_failed`. */
    source: (job: SourceOwner) => orUnavailable(() => readSource(redis, keys, payloads, job)),
    sharedInputs: createSharedInputs(redis, keys),
    /** Whether the key stays within its share of the storage if it stores `bytes` more. Files that may be deleted do not count. */
    fitsShare: (key: string, bytes: number): Promise<boolean> =>
      orUnavailable(async () => {
        const args = { key, verb: 'fits', bytes };
        return (await runScript(redis, 'storage', keys.storage, keys.prefix, args)) === 1;
      }),
    /** Resolves when Redis answers. */
    ping: async (signal: AbortSignal): Promise<void> => {
      signal.throwIfAborted();
      await orAborted(redis.ping(), signal);
    },
    close: async (): Promise<void> => {
      subscriptions.close();
      submitting.disconnect();
      redis.disconnect();
    },
  };
}
