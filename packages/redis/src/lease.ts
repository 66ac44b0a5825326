import type { Redis } from 'ioredis';

/**
 * Takes or prolongs the lease `key` on a task that one process at a time should do. It lapses by itself after `leaseMs`; the
 * tasks under it are safe to do twice, so it needs no fence.
 */
export async function takeLease(redis: Redis, key: string, holder: string, leaseMs: number): Promise<boolean> {
  for (;;) {
    if ((await redis.set(key, holder, 'PX', leaseMs, 'NX')) === 'OK') return true;
    const current = await redis.get(key);
    if (current === null) continue; // it lapsed in between
    if (current === holder) await redis.pexpire(key, leaseMs);
    return current === holder;
  }
}
