import { redisTime } from '@comfy-fleet/redis';
import type { Redis } from 'ioredis';
import type { Keys } from '../keys.js';

export interface WebhookFigures {
  /** In the outbox. */
  readonly outbox: number;
  /** In the delivery queue: due, under way, waiting for their next try or for a place at their host. */
  readonly queued: number;
  /** Since the making of the oldest that is due and was never tried; 0 when there is none. */
  readonly oldestMs: number;
}

/** Due ones that are looked at, the oldest in line; those behind them are younger, but for redeliveries. */
const MOST_LOOKED_AT = 100;

export async function readWebhookFigures(redis: Redis, keys: Keys): Promise<WebhookFigures> {
  const queue = (part: string) => keys.webhookPart(part);
  const [now, outbox, first, due, waiting, active, delayed] = await Promise.all([
    redisTime(redis),
    redis.xlen(keys.outbox),
    redis.xrange(keys.outbox, '-', '+', 'COUNT', 1),
    redis.lrange(queue('wait'), -MOST_LOOKED_AT, -1),
    redis.llen(queue('wait')),
    redis.llen(queue('active')),
    redis.zcard(queue('delayed')),
  ]);
  const pipeline = redis.pipeline();
  for (const id of due) pipeline.hmget(queue(id), 'timestamp', 'atm');
  const items = ((await pipeline.exec()) ?? []).map(([, fields]) => fields as (string | null)[]);
  const untried = items.flatMap(([made, tries]) => (made && (tries ?? '0') === '0' ? [Number(made)] : []));
  // An entry's id begins with the ms of its making.
  const oldest = Math.min(...untried, ...first.map(([id]) => Number.parseInt(id, 10)));
  return {
    outbox,
    queued: waiting + active + delayed,
    oldestMs: Number.isFinite(oldest) ? Math.max(0, now - oldest) : 0,
  };
}
