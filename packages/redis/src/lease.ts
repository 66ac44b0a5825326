import type { Redis } from 'ioredis';

/**
 * Takes or renews the lease `key` on a task that one process at a time should do. The lease expires after `leaseMs`.
 * Tasks under a lease are safe to do twice, so there is no fence.
 */
export async function takeLease(redis: Redis, key: string, holder: string, leaseMs: number): Promise<boolean> {
  for (;;) {
    if ((await redis.set(key, holder, 'PX', leaseMs, 'NX')) === 'OK') return true;
    const current = await redis.get(key);
    if (current === null) continue; // it expired in between
    if (current === holder) await redis.pexpire(key, leaseMs);
    return current === holder;
  }
}
