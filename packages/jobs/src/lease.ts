import type { Redis } from 'ioredis';
import type { Keys } from './keys.js';

/**
 * Takes or prolongs a lease on a task that one process at a time should do. It lapses by itself after `leaseMs`; the
 * tasks under it are safe to do twice, so it needs no fence.
 */
export async function takeLease(
  redis: Redis,
  keys: Keys,
  task: string,
  holder: string,
  leaseMs: number,
): Promise<boolean> {
  const key = keys.lease(task);
  for (;;) {
    if ((await redis.set(key, holder, 'PX', leaseMs, 'NX')) === 'OK') return true;
    const current = await redis.get(key);
    if (current === null) continue; // it lapsed in between
    if (current === holder) await redis.pexpire(key, leaseMs);
    return current === holder;
  }
}
