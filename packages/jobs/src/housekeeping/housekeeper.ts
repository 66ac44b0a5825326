import type { RedisSettings } from '@comfy-fleet/config';
import { joinSignals } from '@comfy-fleet/contracts';
import { producerConnection, redisTime, untilReady } from '@comfy-fleet/redis';
import type { Logger } from '@comfy-fleet/telemetry';
import type { Redis } from 'ioredis';
import { judge, readJudgement, storeJudgement } from '../alerts/alerts.js';
import type { AlertFacts } from '../alerts/rule.js';
import { type NamedArguments, orUnavailable, runScript, withScripts } from '../connection.js';
import { type FleetFigures, type InventoryFigures, readFigures, recordInventory } from '../figures/figures.js';
import { keysOfJobs, recordStorage, type Sender, type StorageInventory, sendersOf } from '../figures/storage.js';
import { readSamples, sampleOf, storeSample } from '../history/history.js';
import { forgetInstances } from '../history/timeline.js';
import { createKeys, type Keys } from '../keys.js';
import { createWorkQueues } from '../queue/work-queues.js';
import { unusedPayloads } from '../record/payloads.js';
import { deliveryItemKey } from '../webhooks/delivery.js';
import { readPorts } from '../workers/presence.js';
import { type Forgotten, forgetSurplus, type KeyBounds } from './forget-surplus.js';
import { cancelOpen, inputsInUse } from './open-jobs.js';
import { pruneIndexes, pruneNames } from './prune-indexes.js';
import { sweep } from './sweep.js';

/** Nobody waits for the housekeeping, and some of its scripts look at a whole pool. */
const TIMEOUT_MS = 10_000;

/**
 * The ledger as the housekeeping sees it. Several may keep one ledger: everything is safe to do twice and at once.
 * Methods wait some seconds for a Redis that is away, then fail with `queue_unavailable`, or with the reason of a
 * timeout.
 */
export interface Housekeeper {
  /** Expires what waited too long, adds missing work items, removes items without an open job. */
  sweep(): Promise<void>;
  /**
   * Takes away the record of a job that has ended, its events, its deliveries and its place in the index of its key.
   * `open`: it has not ended, or its webhook is still to come, and nothing was changed. `absent`: there was no record
   * (any more).
   */
  forget(id: string): Promise<Forgotten>;
  /**
   * Forgets the oldest ended jobs of each API key that has too many, or whose jobs hold too many bytes; gives their ids
   * as they go. Whose webhook is still to come stays, until there are twice as many.
   */
  forgetSurplus(most: KeyBounds): AsyncIterable<readonly string[]>;
  /** Takes jobs whose record is gone, and names whose asset is gone, out of the indexes; answers how many. */
  pruneIndexes(): Promise<number>;
  /**
   * Cancels the open jobs of an API key; answers their ids. Those that run are `canceling` until their workers stop
   * them.
   */
  cancelOpen(key: string): Promise<readonly string[]>;
  /** Digests of the files that jobs start from which are open from the call to the answer. */
  inputsInUse(): Promise<ReadonlySet<string>>;
  /** Which of these files of large graphs and origins no job and no workflow refers to (any more). */
  unusedPayloads(names: readonly string[]): Promise<readonly string[]>;
  /** Names of files that no key has as an asset any more, since a key deleted it. */
  unowned(): Promise<readonly string[]>;
  /**
   * That file may be deleted, and the assets that had it are gone: no open job starts from it and, if `unusedMs` is
   * given, nobody has used any of them for so long or asked to keep it for longer. Else false.
   */
  retireInput(file: { readonly digest: string; readonly name: string }, unusedMs?: number): Promise<boolean>;
  /** Ports of the live workers and their instances, which no URL of a caller may name on a private host. */
  ports(): Promise<readonly number[]>;
  /** The API key of each of these jobs; undefined for one whose record is gone. */
  keysOfJobs(ids: readonly string[]): Promise<readonly (string | undefined)[]>;
  /** The API keys that sent each of the input files with these digests. */
  sendersOf(digests: readonly string[]): Promise<readonly (readonly Sender[])[]>;
  /** Notes what keys have stored: from now on what comes and goes is counted on from there. */
  recordStorage(stock: StorageInventory): Promise<void>;
  /** What is true of the whole fleet now. */
  figures(): Promise<FleetFigures>;
  /** Notes how the fleet fares now, and which alerts there are, for whoever looks at the last hour. */
  sample(surroundings: ExternalFacts): Promise<void>;
  /** Says what pictures there are, for the figures. */
  recordInventory(stock: InventoryFigures): Promise<void>;
  /** What is under way fails. */
  close(): Promise<void>;
}

export interface HousekeeperOptions {
  readonly redis: RedisSettings;
  readonly jobTtlSeconds: number;
  /** How many completed work items of a pool are kept for operators, and how many failed ones. */
  readonly keptWorkItems: number;
  readonly log: Logger;
}

export function createHousekeeper({ jobTtlSeconds, keptWorkItems, log, ...options }: HousekeeperOptions): Housekeeper {
  const { prefix } = options.redis;
  const keys = createKeys(prefix);
  const redis = withScripts(producerConnection({ ...options.redis, timeoutMs: TIMEOUT_MS }, log));
  const queues = createWorkQueues(redis, keys, log);
  const closing = new AbortController();
  const connected = async <T>(action: () => Promise<T>): Promise<T> => {
    const { signal, end } = joinSignals([closing.signal], { ms: TIMEOUT_MS });
    await untilReady(redis, signal).finally(end);
    return orUnavailable(action);
  };
  const run = (name: 'cancel' | 'expire' | 'forget', id: string, args: NamedArguments = {}) =>
    runScript(redis, name, keys.job(id), prefix, {
      id,
      ended_life: jobTtlSeconds * 1000,
      kept_work_items: keptWorkItems,
      ...args,
    });
  const forget = async (id: string, { spare }: { spare: boolean }) =>
    (await run('forget', id, { delivery: spare ? deliveryItemKey(keys, id) : undefined })) as Forgotten;

  return {
    sweep: () =>
      connected(() => sweep({ redis, keys, queues, expire: async (id) => (await run('expire', id)) === 1, log })),
    forget: (id) => connected(() => forget(id, { spare: true })),
    async *forgetSurplus(most) {
      for (const caller of await connected(() => redis.smembers(keys.callers))) {
        const pages = forgetSurplus({ redis, keys, forget }, caller, most);
        for (;;) {
          const { done, value } = await connected(() => pages.next());
          if (done === true) break;
          yield value;
        }
      }
    },
    pruneIndexes: () =>
      connected(async () => (await pruneIndexes(redis, keys, jobTtlSeconds)) + (await pruneNames(redis, keys))),
    cancelOpen: (key) => connected(() => cancelOpen(redis, keys, { key, cancel: (id) => run('cancel', id) })),
    inputsInUse: () => connected(() => inputsInUse(redis, keys)),
    unusedPayloads: (names) => connected(() => unusedPayloads(redis, keys, names)),
    unowned: () => connected(() => redis.zrange(keys.unowned, 0, '-1')),
    retireInput: ({ digest, name }, unusedMs) =>
      connected(async () => {
        const unused = unusedMs === undefined ? undefined : Math.max(0, Math.round(unusedMs));
        const named = { verb: 'retire', digest, name, unused_ms: unused };
        return (await runScript(redis, 'assets', keys.unowned, prefix, named)) === 1;
      }),
    ports: () => connected(() => readPorts(redis, keys)),
    keysOfJobs: (ids) => connected(() => keysOfJobs(redis, keys, ids)),
    sendersOf: (digests) => connected(() => sendersOf(redis, keys, digests)),
    recordStorage: (stock) => connected(() => recordStorage(redis, keys, stock)),
    figures: () => connected(() => readFigures(redis, keys)),
    sample: (surroundings) => connected(() => takeSample(redis, keys, surroundings)),
    recordInventory: (stock) => connected(() => recordInventory(redis, keys, stock)),
    close: async () => {
      closing.abort();
      await queues.close().catch((error: unknown) => log.debug('closing the queues failed', { error }));
      redis.disconnect();
    },
  };
}

/** What Redis does not know. */
export interface ExternalFacts extends Pick<AlertFacts, 'freeBytes' | 'replicasWanted'> {
  /** From one sample to the next. */
  readonly stepSeconds: number;
}

/** One more sample, and what the alerts are by it. Done by two at once there are two samples, which does no harm. */
async function takeSample(redis: Redis, keys: Keys, surroundings: ExternalFacts): Promise<void> {
  const { stepSeconds, ...known } = surroundings;
  const [at, figures, before, samples] = await Promise.all([
    redisTime(redis),
    readFigures(redis, keys),
    readJudgement(redis, keys),
    readSamples(redis, keys),
  ]);
  await forgetInstances(redis, keys, at);
  const sample = sampleOf(figures, at, stepSeconds);
  await storeSample(redis, keys, sample, stepSeconds);
  await storeJudgement(redis, keys, judge({ figures, samples: [sample, ...samples], ...known }, before, at));
}
