import type { JobKind, Lod, TerminalStatus, WorkerAnnouncement } from '@comfy-fleet/contracts';
import { redisTime } from '@comfy-fleet/redis';
import type { Redis } from 'ioredis';
import type { Keys } from '../keys.js';
import { readShares } from '../scheduling/read-shares.js';
import type { KeyShare } from '../scheduling/shares.js';
import { readWorkers } from '../workers/announcements.js';
import { type Halts, readHalts } from '../workers/halts.js';
import { readSlowness } from '../workers/slowness.js';
import { type KeyBytes, readKeyBytes } from './key-bytes.js';
import { type PoolFigures, readPoolFigures } from './pool-figures.js';
import { type RedisFigures, readRedisFigures } from './redis-figures.js';
import { readStorage, type StorageFigures } from './storage.js';
import { readWebhookFigures, type WebhookFigures } from './webhook-figures.js';

/** Files and bytes of the pictures of each kind, as the housekeeping last found them. */
export type StockFigures = Readonly<Record<string, { readonly files: number; readonly bytes: number }>>;

/** How many jobs ever were created, or ended like this. Each is counted once, whoever crashes. */
export interface JobTotal {
  readonly kind: JobKind;
  readonly lod: Lod;
  readonly outcome: 'created' | TerminalStatus;
  readonly count: number;
}

/** What is true of the whole fleet at one moment. */
export interface FleetFigures {
  readonly totals: readonly JobTotal[];
  readonly pools: readonly PoolFigures[];
  readonly workers: readonly WorkerAnnouncement[];
  readonly halts: Halts;
  /** How many times as long as its peers an instance takes for like work, where that can be told. */
  readonly slowness: ReadonlyMap<string, number>;
  /** What each key that had anything in the last hour gets of the GPU time, in no order. */
  readonly shares: readonly KeyShare[];
  /** How many bytes the jobs of each key hold, the most first. */
  readonly keyBytes: readonly KeyBytes[];
  readonly webhooks: WebhookFigures;
  readonly redis: RedisFigures;
  /** Undefined while the housekeeping has not looked within a day. */
  readonly stock: StockFigures | undefined;
  readonly storage: StorageFigures;
}

/** A stock older than this says nothing: nobody looks after the pictures. */
const STOCK_LIFE_MS = 86_400_000;

/** Costs Redis a millisecond or so, however many jobs wait. */
export async function readFigures(redis: Redis, keys: Keys): Promise<FleetFigures> {
  const [now, used, workers, halts, totals, stock, storage, server, webhooks, keyBytes] = await Promise.all([
    redisTime(redis),
    redis.smembers(keys.pools),
    readWorkers(redis, keys),
    readHalts(redis, keys),
    redis.hgetall(keys.totals),
    redis.get(keys.stock),
    readStorage(redis, keys),
    readRedisFigures(redis),
    readWebhookFigures(redis, keys),
    readKeyBytes(redis, keys),
  ]);
  const names = [...new Set([...used, ...workers.flatMap(({ pools }) => pools)])].sort();
  const [pools, slowness, shares] = await Promise.all([
    Promise.all(names.map((pool) => readPoolFigures(redis, keys, { pool, workers, halts, now }))),
    readSlowness(redis, keys, names),
    readShares(redis, keys, { pools: used, now }),
  ]);
  return {
    totals: Object.entries(totals).map(([field, count]) => {
      const [kind, lod, outcome] = field.split(' ');
      return { kind, lod, outcome, count: Number(count) } as JobTotal;
    }),
    pools,
    workers,
    halts,
    slowness,
    shares,
    keyBytes,
    webhooks,
    redis: server,
    stock: stock === null ? undefined : (JSON.parse(stock) as StockFigures),
    storage,
  };
}

/** Says what pictures there are, for whoever is asked next. */
export async function noteStock(redis: Redis, keys: Keys, stock: StockFigures): Promise<void> {
  await redis.set(keys.stock, JSON.stringify(stock), 'PX', STOCK_LIFE_MS);
}
