import type { RedisSettings } from '@comfy-fleet/config';
import { isTerminal, type JobStatus, joinSignals } from '@comfy-fleet/contracts';
import { producerConnection, redisTime, untilReady } from '@comfy-fleet/redis';
import type { Logger } from '@comfy-fleet/telemetry';
import type { Redis } from 'ioredis';
import { judge, readAlerts, readJudgement, storeJudgement } from '../alerts/alerts.js';
import type { AlertFacts } from '../alerts/rule.js';
import { type NamedArguments, orUnavailable, runScript, withScripts } from '../connection.js';
import { readFigures } from '../figures/figures.js';
import { keysOfJobs, recordStorage, type StorageInventory, sendersOf } from '../figures/storage.js';
import { readSamples, sampleOf, storeSample } from '../history/history.js';
import { createKeys, type Keys } from '../keys.js';
import { createModels } from '../models/models.js';
import { forgetUnused } from '../models/url-models.js';
import { createWorkQueues } from '../queue/work-queues.js';
import { idOfMember } from '../record/indexes.js';
import { unusedPayloads } from '../record/payloads.js';
import { webhookId } from '../webhooks/delivery-queue.js';
import { readPorts } from '../workers/presence.js';
import { type Forgotten, forgetSurplus, type KeyBounds } from './forget-surplus.js';
import { membersOf, pruneIndexes } from './prune-indexes.js';
import { sweep } from './sweep.js';

/** Longer than for other connections: nobody waits for the housekeeping, and some of its scripts read a whole pool. */
const TIMEOUT_MS = 10_000;

/**
 * The ledger as the housekeeping sees it. Several processes may use it: everything is safe to do twice and at the same
 * time. Methods wait a few seconds if Redis is away, then fail with `queue_unavailable` or the reason of a timeout.
 */
export type Housekeeper = ReturnType<typeof createHousekeeper>;

export interface HousekeeperOptions {
  readonly redis: RedisSettings;
  readonly jobTtlSeconds: number;
  readonly log: Logger;
}

export function createHousekeeper({ jobTtlSeconds, log, ...options }: HousekeeperOptions) {
  const { prefix } = options.redis;
  const keys = createKeys(prefix);
  const redis = withScripts(producerConnection({ ...options.redis, timeoutMs: TIMEOUT_MS }, log));
  const queues = createWorkQueues(redis, keys, log);
  const models = createModels(redis, keys);
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
      ...args,
    });
  const forget = async (id: string, { spare }: { spare: boolean }) =>
    (await run('forget', id, { webhook: webhookId(id), spare })) as Forgotten;

  return {
    /** Expires jobs that waited too long, adds missing work items, and removes items without an open job. */
    sweep: () =>
      connected(() => sweep({ redis, keys, queues, expire: async (id) => (await run('expire', id)) === 1, log })),
    /**
     * Deletes an ended job: its record, its events, its delivery and its entries in the indexes of its key. `open`: it
     * has not ended, or its webhook is undelivered and to be spared, and nothing changed. `absent`: there was no record.
     */
    forget: (id: string, { spare = true } = {}) => connected(() => forget(id, { spare })),
    /** See forgetSurplus, for each API key. */
    async *forgetSurplus(most: KeyBounds) {
      for (const caller of await connected(() => redis.hkeys(keys.callers))) {
        const pages = forgetSurplus({ redis, keys, forget }, caller, most);
        for (;;) {
          const { done, value } = await connected(() => pages.next());
          if (done === true) break;
          yield value;
        }
      }
    },
    /** Removes jobs whose record is gone from the indexes. Returns how many. */
    pruneIndexes: () => connected(() => pruneIndexes(redis, keys, jobTtlSeconds)),
    /** Deletes models from callers' URLs that were not used for a week, and returns how many. See forgetUnused. */
    forgetModels: () =>
      connected(async () => {
        const folders = await models.folders();
        const uses = (id: string) => folders.map(({ copies }) => copies.get(id)?.used_at ?? 0);
        return forgetUnused(models, (id) => Math.max(0, ...uses(id)));
      }),
    /**
     * Cancels the open jobs of an API key and returns their ids. Claimed ones are `canceling` until their workers stop
     * them.
     */
    cancelOpen: (key: string) =>
      connected(async () => {
        const canceled: string[] = [];
        for await (const members of membersOf(redis, keys.jobsOf(key))) {
          const ids = members.map((member) => idOfMember(member));
          const statuses = await Promise.all(ids.map((id) => redis.hget(keys.job(id), 'status')));
          const open = ids.filter((_, n) => statuses[n] && !isTerminal(statuses[n] as JobStatus));
          for (const id of open) await run('cancel', id);
          canceled.push(...open);
        }
        return canceled;
      }),
    /** Returns those of these files (large graphs and origins) that nothing refers to. */
    unusedPayloads: (names: readonly string[]) => connected(() => unusedPayloads(redis, keys, names)),
    /**
     * Removes the assets of a file, so that the file may be deleted; returns true. Returns false, and changes nothing, if
     * an open job starts from the file or, with `unusedMs`, if an asset was used within that time or lives longer by its
     * own lifetime.
     */
    retireInput: (digest: string, unusedMs?: number) =>
      connected(async () => {
        const unused = unusedMs === undefined ? undefined : Math.max(0, Math.round(unusedMs));
        const named = { verb: 'retire', digest, unused_ms: unused };
        return (await runScript(redis, 'assets', keys.senders(digest), prefix, named)) === 1;
      }),
    /** Ports of the live workers and their instances. Callers' URLs must not name them on private hosts. */
    ports: () => connected(() => readPorts(redis, keys)),
    /** The API key of each of these jobs; undefined if its record is gone. */
    keysOfJobs: (ids: readonly string[]) => connected(() => keysOfJobs(redis, keys, ids)),
    /** See sendersOf. */
    sendersOf: (digests: readonly string[]) => connected(() => sendersOf(redis, keys, digests)),
    /** Records what keys have stored. The scripts count from there. */
    recordStorage: (inventory: StorageInventory) => connected(() => recordStorage(redis, keys, inventory)),
    /** The current figures of the whole fleet. */
    figures: () => connected(() => readFigures(redis, keys)),
    /** The alerts as they were last judged. */
    alerts: () => connected(() => readAlerts(redis, keys)),
    /** Records a sample of the fleet and judges the alerts. */
    sample: (surroundings: ExternalFacts) => connected(() => takeSample(redis, keys, surroundings)),
    /** Closes the connections. Running calls fail. */
    close: async () => {
      closing.abort();
      await queues.close().catch((error: unknown) => log.debug('closing the queues failed', { error }));
      redis.disconnect();
    },
  };
}

/** Facts that Redis does not know. */
export interface ExternalFacts extends Pick<AlertFacts, 'freeBytes' | 'replicasWanted'> {
  /** Seconds from one sample to the next. */
  readonly stepSeconds: number;
}

/**
 * Stores a sample and judges the alerts by it. If two processes do this at once, there are two samples, which does no
 * harm.
 */
async function takeSample(redis: Redis, keys: Keys, surroundings: ExternalFacts): Promise<void> {
  const { stepSeconds, ...known } = surroundings;
  const [at, figures, before, samples] = await Promise.all([
    redisTime(redis),
    readFigures(redis, keys),
    readJudgement(redis, keys),
    readSamples(redis, keys),
  ]);
  const sample = sampleOf(figures, at, stepSeconds);
  await storeSample(redis, keys, sample, stepSeconds);
  await storeJudgement(redis, keys, judge({ figures, samples: [sample, ...samples], ...known }, before, at));
}
