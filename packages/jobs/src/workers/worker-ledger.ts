import type { RedisSettings } from '@comfy-fleet/config';
import { orAborted } from '@comfy-fleet/contracts';
import { createRedisClock, createReplication, createSubscriptions, workerConnection } from '@comfy-fleet/redis';
import type { Logger } from '@comfy-fleet/telemetry';
import { orUnavailable, withScripts } from '../connection.js';
import { createKeys } from '../keys.js';
import { createModels, type Models } from '../models/models.js';
import { createPayloads, type PayloadFiles } from '../record/payloads.js';
import { createReuse, type Reuse } from '../record/reuse.js';
import { readSource } from '../record/workflows.js';
import { type AbilityRegistry, createAbilityRegistry } from './abilities.js';
import { type ClaimSource, openClaimSource } from './claim-source.js';
import { type CrossChecks, createCrossChecks } from './cross-checks.js';
import { createEncodeAheadLedger, type EncodeAheadLedger } from './encode-ahead.js';
import { createFits, type Fits } from './fits.js';
import { createHaltSource, type HaltSource } from './halts.js';
import { createTransitions } from './hold-claim.js';
import { createSharedInputs, type InstanceNames, readInstanceNames, type SharedInputs } from './instance-files.js';
import { createNodeTimes, createSharedLoadTimes, type NodeTimes, type SharedLoadTimes } from './learned-times.js';
import { createPresence, type Presence } from './presence.js';
import { createUnwantedPrompts, readKills, type UnwantedPrompts } from './unwanted-prompts.js';

/**
 * The ledger as a worker sees it. Methods wait while Redis is away. Claims and transitions fail with
 * `queue_unavailable` if Redis answers with an error (a full disk, a replica).
 */
export interface WorkerLedger {
  /** Opens a source of claims for a pool. */
  claims(pool: string): Promise<ClaimSource>;
  /**
   * Calls `listener` with the id of a job that this worker should check, because its caller wants it stopped, an idle
   * instance recalls it, or another worker gave it back. Calls it with undefined if such messages may have been missed:
   * then every held job must be checked.
   */
  onAttention(listener: (jobId: string | undefined) => void): Promise<void>;
  readonly presence: Presence;
  readonly abilities: AbilityRegistry;
  readonly fits: Fits;
  readonly halts: HaltSource;
  readonly models: Models;
  readonly loadTimes: SharedLoadTimes;
  readonly nodeTimes: NodeTimes;
  readonly crossChecks: CrossChecks;
  readonly encodeAhead: EncodeAheadLedger;
  /** See readKills. */
  kills(): ReturnType<typeof readKills>;
  readonly prompts: UnwantedPrompts;
  /** The source of a version of a workflow; undefined if it is gone. Also throws `storage_failed`. */
  source(version: string): Promise<string | undefined>;
  /** Names of files on instances. The first worker that calls this creates the secret for them. */
  instanceNames(): Promise<InstanceNames>;
  /** Which jobs use which files in ComfyUI's input folders. */
  readonly sharedInputs: SharedInputs;
  readonly reuse: Reuse;
  /** Resolves when Redis answers. */
  ping(signal: AbortSignal): Promise<void>;
  close(): Promise<void>;
}

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
  /** How many executions of an instance are kept for an hour. */
  readonly timelineEntries: number;
  readonly lockMs: number;
  readonly stalledCheckMs: number;
  /** How many completed work items of a pool, and how many failed ones, are kept for operators. */
  readonly keptWorkItems: number;
  /** Interval of announcements. After three missed ones, the worker counts as gone. */
  readonly announceSeconds: number;
  /** ms since 1970; for tests. */
  readonly now?: () => number;
  readonly log: Logger;
}

export function createWorkerLedger(options: WorkerLedgerOptions): WorkerLedger {
  const { log, worker, jobTtlSeconds, lockMs, stalledCheckMs, keptWorkItems, now = Date.now } = options;
  const { maxWorkerDeaths, timelineEntries } = options;
  const keys = createKeys(options.redis.prefix);
  const redis = withScripts(workerConnection(options.redis, log));
  const subscriptions = createSubscriptions(workerConnection(options.redis, log), keys.pools, log);
  // A connection for writes that wait for replicas, because that blocks everything else on it.
  const submitting = options.redis.wait === undefined ? redis : withScripts(workerConnection(options.redis, log));
  const replication = createReplication(submitting, keys.replicated, options.redis.wait, log);
  const clock = createRedisClock(redis, now);
  const transition = createTransitions({ redis, submitting, replication, keys, jobTtlSeconds, keptWorkItems });
  const payloads = createPayloads(options.files);
  const halts = createHaltSource(redis, keys, subscriptions);
  const holding = {
    redis,
    keys,
    payloads,
    worker,
    transition,
    clock,
    jobTtlSeconds,
    lockMs,
    stalledCheckMs,
    keptWorkItems,
    log,
  };
  const fits = createFits(redis, keys);
  const rules = { maxOvertakes: options.maxOvertakes, patienceMs: options.modelPatienceMs };
  const claiming = { ...holding, maxWorkerDeaths, rules, timelineEntries, fits, now };

  return {
    claims: (pool) => openClaimSource({ ...claiming, pool, foundPaused: halts.changed }),
    onAttention: async (listener) => {
      await subscriptions.listen(keys.workerChannel(worker), listener);
    },
    presence: createPresence({ redis, keys, worker, lifeMs: options.announceSeconds * 3000, clock, log }),
    abilities: createAbilityRegistry(redis, keys),
    fits,
    halts,
    models: createModels(redis, keys),
    loadTimes: createSharedLoadTimes(redis, keys),
    nodeTimes: createNodeTimes(redis, keys),
    crossChecks: createCrossChecks(redis, keys, worker),
    encodeAhead: createEncodeAheadLedger({ redis, keys, worker, timelineEntries }),
    kills: () => readKills(redis, keys),
    prompts: createUnwantedPrompts(redis, keys, worker),
    instanceNames: () => readInstanceNames(redis, keys),
    source: (version) => orUnavailable(() => readSource(redis, keys, payloads, version)),
    sharedInputs: createSharedInputs(redis, keys),
    reuse: createReuse(redis, keys, { jobTtlSeconds }),
    ping: async (signal) => {
      signal.throwIfAborted();
      await orAborted(redis.ping(), signal);
    },
    close: async () => {
      subscriptions.close();
      submitting.disconnect();
      redis.disconnect();
    },
  };
}
