import type { RedisSettings } from '@comfy-fleet/config';
import { orAborted } from '@comfy-fleet/contracts';
import { createRedisClock, createReplication, createSubscriptions, workerConnection } from '@comfy-fleet/redis';
import type { Logger } from '@comfy-fleet/telemetry';
import { orUnavailable, withScripts } from '../connection.js';
import { createKeys } from '../keys.js';
import { createPayloads, type PayloadFiles } from '../record/payloads.js';
import { readSource } from '../record/workflows.js';
import { type AbilityRegistry, createAbilityRegistry } from './abilities.js';
import { type ClaimSource, openClaimSource } from './claim-source.js';
import { type CrossChecks, createCrossChecks } from './cross-checks.js';
import { createFits, type Fits } from './fits.js';
import { createHaltSource, type HaltSource } from './halts.js';
import { createTransitions } from './hold-claim.js';
import { createSharedInputs, type InstanceNames, readInstanceNames, type SharedInputs } from './instance-files.js';
import { readKills } from './kills.js';
import { createNodeTimes, createSharedLoadTimes, type NodeTimes, type SharedLoadTimes } from './learned-times.js';
import { createPresence, type Presence } from './presence.js';
import { createUnwantedPrompts, type UnwantedPrompts } from './unwanted-prompts.js';

/**
 * The ledger as a worker sees it. Methods wait while Redis is away; claims and transitions fail with
 * `queue_unavailable` when it answers but refuses (a full disk, a replica).
 */
export interface WorkerLedger {
  /** Where the jobs of a pool are claimed. */
  claims(pool: string): Promise<ClaimSource>;
  /**
   * Calls `listener` with the id of a job that this worker holds, or has the submission of, and should look at: its
   * caller wants it stopped, an idle instance asks for it, another worker gave it back. With undefined when such a
   * message may have been missed: then every held job is to be looked at.
   */
  onAttention(listener: (jobId: string | undefined) => void): Promise<void>;
  readonly presence: Presence;
  readonly abilities: AbilityRegistry;
  readonly fits: Fits;
  readonly halts: HaltSource;
  readonly loadTimes: SharedLoadTimes;
  readonly nodeTimes: NodeTimes;
  readonly crossChecks: CrossChecks;
  /** See readKills. */
  kills(): ReturnType<typeof readKills>;
  readonly prompts: UnwantedPrompts;
  /**
   * The source of a version of a workflow; undefined when it is not there (any more). Throws `storage_failed` as well.
   */
  source(version: string): Promise<string | undefined>;
  /** What files are called on instances; the first worker that asks draws the secret for it. */
  instanceNames(): Promise<InstanceNames>;
  /** Who has which picture in ComfyUI's input folders. */
  readonly sharedInputs: SharedInputs;
  /** Resolves while Redis answers. */
  ping(signal: AbortSignal): Promise<void>;
  close(): Promise<void>;
}

export interface WorkerLedgerOptions {
  readonly redis: RedisSettings;
  /** Where large graphs and origins are stored. */
  readonly files: PayloadFiles;
  readonly worker: string;
  readonly jobTtlSeconds: number;
  /** Times a worker may die holding a job before the ledger itself fails it with `worker_killed`. */
  readonly maxWorkerDeaths: number;
  /** So many later jobs of its key may overtake a job. */
  readonly maxOvertakes: number;
  /** How long a job may be passed over for those for which an instance has to load less. */
  readonly modelPatienceMs: number;
  /** Executions of an instance that are remembered for an hour. */
  readonly timelineEntries: number;
  readonly lockMs: number;
  readonly stalledCheckMs: number;
  /** How many completed work items of a pool are kept for operators, and how many failed ones. */
  readonly keptWorkItems: number;
  /** Interval of the announcements; three missed ones and the worker counts as gone. */
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
  // What waits for replicas must not hold up the rest.
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
    loadTimes: createSharedLoadTimes(redis, keys),
    nodeTimes: createNodeTimes(redis, keys),
    crossChecks: createCrossChecks(redis, keys, worker),
    kills: () => readKills(redis, keys),
    prompts: createUnwantedPrompts(redis, keys, worker),
    instanceNames: () => readInstanceNames(redis, keys),
    source: (version) => orUnavailable(() => readSource(redis, keys, payloads, version)),
    sharedInputs: createSharedInputs(redis, keys),
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
