import { newId } from '@comfy-fleet/contracts';
import { onTestFinished } from 'vitest';
import { orderArguments } from '../src/callers/new-order.js';
import { createHousekeeper, type Housekeeper, type HousekeeperOptions } from '../src/index.js';
import { anOrder, type Fleet, JOB_TTL_SECONDS, type OrderOverrides, POOL, quietLog } from './builders.js';

/** A housekeeper of the fleet's ledger; closed at the end of the test. */
export function openHousekeeper({ settings }: Fleet, overrides: Partial<HousekeeperOptions> = {}): Housekeeper {
  const common = { redis: settings, jobTtlSeconds: JOB_TTL_SECONDS, log: quietLog() };
  const keeper = createHousekeeper({ ...common, ...overrides });
  onTestFinished(() => keeper.close());
  return keeper;
}

/** Creates a job without a work item, `ageMs` old. */
export async function recordOnly(fleet: Fleet, ageMs: number, order: OrderOverrides = {}): Promise<string> {
  const id = newId();
  const bounds = { maxOpenJobs: 10_000, keyJobBytes: Number.MAX_SAFE_INTEGER, idempotencyTtlSeconds: 60 };
  const made = anOrder({ ...order, id });
  await fleet.run('create', id, {}, [JSON.stringify(orderArguments(made, bounds, []))]);
  await fleet.redis.del(fleet.keys.workItem(POOL, id));
  await fleet.redis.zrem(fleet.keys.prioritized(POOL), id);
  await fleet.redis.zincrby(fleet.keys.open(POOL), -ageMs, id);
  return id;
}

/** Ids of the prioritized work items, in the order in which they will be taken. */
export const items = (fleet: Fleet) => fleet.redis.zrange(fleet.keys.prioritized(POOL), '0', '-1');

/** Makes ended jobs look as if they had ended a quarter of an hour ago. */
export async function endedLongAgo(fleet: Fleet, ...ids: string[]): Promise<void> {
  for (const id of ids) await fleet.redis.hset(fleet.keys.job(id), 'finished_at', Date.now() - 900_000);
}
