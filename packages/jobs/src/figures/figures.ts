import {
  type JobKind,
  type Lod,
  MODEL_URL_FOLDER,
  type ModelFaultCode,
  type TerminalStatus,
} from '@comfy-fleet/contracts';
import { redisTime } from '@comfy-fleet/redis';
import type { Redis } from 'ioredis';
import type { Keys } from '../keys.js';
import { createModelFolders } from '../models/folders.js';
import { inPages } from '../record/indexes.js';
import { readShares } from '../scheduling/read-shares.js';
import { readOverview } from './overview.js';
import { readRedisFigures } from './redis-info.js';
import { readStorage } from './storage.js';

/** How many jobs were ever created, or ended like this. Each job is counted exactly once. */
interface JobTotal {
  readonly kind: JobKind;
  readonly lod: Lod;
  readonly outcome: 'created' | TerminalStatus;
  readonly count: number;
}

/** The figures of the whole fleet at one moment. */
export type FleetFigures = Awaited<ReturnType<typeof readFigures>>;

/** How many due webhooks are read, the first in the queue. */
const MOST_LOOKED_AT = 100;

/** Costs Redis about a millisecond, no matter how many jobs wait. */
export async function readFigures(redis: Redis, keys: Keys) {
  const overview = await readOverview(redis, keys);
  const [shares, totals, storage, server, webhooks, keyBytes, modelFaults] = await Promise.all([
    readShares(redis, keys, overview),
    redis.hgetall(keys.totals),
    readStorage(redis, keys),
    readRedisFigures(redis),
    readWebhookFigures(redis, keys),
    readKeyBytes(redis, keys),
    readModelFaults(redis, keys),
  ]);
  return {
    ...overview,
    totals: Object.entries(totals).map(([field, count]) => {
      const [kind, lod, outcome] = field.split(' ');
      return { kind, lod, outcome, count: Number(count) } as JobTotal;
    }),
    /** The share of GPU time of each key that had jobs in the last hour, in no particular order. */
    shares,
    keyBytes,
    webhooks,
    modelFaults,
    redis: server,
    storage,
  };
}

/** How many bytes the waiting and ended jobs of each key hold, the most first. */
async function readKeyBytes(redis: Redis, keys: Keys) {
  const found: { readonly key: string; readonly bytes: number }[] = [];
  for (const callers of inPages(await redis.hkeys(keys.callers))) {
    const totals = await Promise.all(callers.map((caller) => redis.hget(keys.jobBytes(caller), 'total')));
    for (const [n, key] of callers.entries()) found.push({ key, bytes: Number(totals[n] ?? 0) });
  }
  return found.filter(({ bytes }) => bytes > 0).sort((a, b) => b.bytes - a.bytes);
}

/** How many copies of models could not be fetched, by fault; those that callers named by URL do not count. */
async function readModelFaults(redis: Redis, keys: Keys): Promise<Map<ModelFaultCode, number>> {
  const faults = new Map<ModelFaultCode, number>();
  for (const { copies } of await createModelFolders(redis, keys).folders()) {
    for (const [id, { state, error }] of copies) {
      if (state !== 'failed' || error === undefined || id.includes(`/${MODEL_URL_FOLDER}`)) continue;
      faults.set(error.code, (faults.get(error.code) ?? 0) + 1);
    }
  }
  return faults;
}

async function readWebhookFigures(redis: Redis, keys: Keys) {
  const queue = (part: string) => keys.webhookPart(part);
  const [now, outbox, first, due, ...queued] = await Promise.all([
    redisTime(redis),
    redis.xlen(keys.outbox),
    redis.xrange(keys.outbox, '-', '+', 'COUNT', 1),
    redis.zrange(queue('prioritized'), '0', `${MOST_LOOKED_AT - 1}`),
    redis.zcard(queue('prioritized')),
    // Those whose process died.
    redis.llen(queue('wait')),
    redis.llen(queue('active')),
    redis.zcard(queue('delayed')),
  ]);
  const items = await Promise.all(
    due.map(async (id) => {
      const [made, tried] = await Promise.all([
        redis.hget(queue(id), 'timestamp'),
        redis.hexists(keys.texts(id.replace('msg_', '')), 'attempts'),
      ]);
      return made === null || tried === 1 ? [] : [Number(made)];
    }),
  );
  // The id of an entry begins with its time in ms.
  const oldest = Math.min(...items.flat(), ...first.map(([id]) => Number.parseInt(id, 10)));
  return {
    /** Webhooks in the outbox. */
    outbox,
    /**
     * Webhooks in the delivery queue: due, being delivered, or waiting for their next attempt or for the host's limit.
     */
    queued: queued.reduce((sum, count) => sum + count),
    /** Age of the oldest webhook that is due but was never tried; 0 if there is none. */
    oldestMs: Number.isFinite(oldest) ? Math.max(0, now - oldest) : 0,
  };
}
