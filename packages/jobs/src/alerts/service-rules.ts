import { LODS } from '@comfy-fleet/contracts';
import { type AlertRule, MINUTE, rule, whole } from './rule.js';
import { endedWithin } from './window.js';

const GIB = 1024 ** 3;

/** Jobs fail, webhooks wait, storage or Redis are not as they should be. */
export const SERVICE_RULES: readonly AlertRule[] = [
  rule({
    name: 'JobsFail',
    severity: 'warning',
    holdSeconds: 10 * MINUTE,
    limits: [0.1],
    summary: '{lod} jobs fail',
    of: ({ samples }, [most]) =>
      LODS.filter((lod) => {
        const failed = endedWithin(samples, 5 * MINUTE, 'failed', lod);
        return failed > most * (failed + endedWithin(samples, 5 * MINUTE, 'succeeded', lod));
      }).map((lod) => ({ lod })),
  }),
  rule({
    name: 'WebhooksWait',
    severity: 'warning',
    holdSeconds: 5 * MINUTE,
    limits: [60],
    summary: 'Webhooks wait for their first try',
    of: ({ figures }, [seconds]) => whole(figures.webhooks.oldestMs / 1000 > seconds),
  }),
  rule({
    name: 'OutboxStuck',
    severity: 'critical',
    holdSeconds: 10 * MINUTE,
    limits: [100],
    summary: 'Webhooks are not handed to the dispatchers',
    of: ({ figures }, [most]) => whole(figures.webhooks.outbox > most),
  }),
  rule({
    name: 'FramesDiskLow',
    severity: 'warning',
    holdSeconds: 5 * MINUTE,
    limits: [5 * GIB],
    summary: 'The disk of the pictures is nearly full',
    of: ({ freeBytes }, [least]) => whole(freeBytes !== undefined && freeBytes < least),
  }),
  rule({
    name: 'FramesDiskFull',
    severity: 'critical',
    holdSeconds: MINUTE,
    limits: [GIB],
    summary: 'There is no room for more pictures',
    of: ({ freeBytes }, [least]) => whole(freeBytes !== undefined && freeBytes < least),
  }),
  rule({
    name: 'WorkersCannotStore',
    severity: 'critical',
    holdSeconds: MINUTE,
    summary: 'Workers cannot store pictures',
    of: ({ figures }) => whole(figures.workers.some(({ storeFault }) => Boolean(storeFault))),
  }),
  rule({
    name: 'RedisMayEvict',
    severity: 'critical',
    holdSeconds: MINUTE,
    summary: 'Redis may throw accepted jobs away',
    of: ({ figures }) => whole(!figures.redis.noEviction),
  }),
  rule({
    name: 'RedisForgets',
    severity: 'critical',
    holdSeconds: MINUTE,
    summary: 'Redis writes no append-only file',
    of: ({ figures }) => whole(!figures.redis.aof),
  }),
  rule({
    name: 'RedisMemoryHigh',
    severity: 'warning',
    holdSeconds: 5 * MINUTE,
    limits: [0.8],
    summary: 'Redis is running out of memory',
    of: ({ figures: { redis } }, [most]) =>
      whole(redis.memoryMaxBytes > 0 && redis.memoryBytes / redis.memoryMaxBytes > most),
  }),
  rule({
    name: 'ReplicasMissing',
    severity: 'critical',
    holdSeconds: MINUTE,
    summary: 'Redis has fewer replicas than must have each new job',
    of: ({ figures, replicasWanted }) => whole(figures.redis.replicas < replicasWanted),
  }),
];

/** Judged by whoever asks, as nobody else did: none runs, or none can write to Redis what it found. */
export const DISPATCHER_ABSENT: AlertRule = rule({
  name: 'DispatcherAbsent',
  severity: 'critical',
  holdSeconds: 5 * MINUTE,
  summary: 'No dispatcher is at work',
  of: () => [],
});
