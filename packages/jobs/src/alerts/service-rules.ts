import { LODS } from '@comfy-fleet/contracts';
import { type AlertRule, endedWithin, MINUTE, whole } from './rule.js';

const MOST_FAILED_SHARE = 0.1;
const WEBHOOK_WAIT_SECONDS = 60;
const MOST_OUTBOX_ENTRIES = 100;
const LOW_DISK_BYTES = 5 * 1024 ** 3;
const FULL_DISK_BYTES = 1024 ** 3;
const MOST_MEMORY_SHARE = 0.8;

/** Dispatchers cannot detect this; alerts.ts does when the alerts are read. */
export const DISPATCHER_ABSENT: AlertRule = {
  name: 'DispatcherAbsent',
  severity: 'critical',
  holdSeconds: 5 * MINUTE,
  summary: 'No dispatcher is at work',
  expr: 'absent(up{job="dispatcher"} == 1)',
  description:
    'No dispatcher has answered Prometheus for 5 minutes: no webhook is delivered, ' +
    'nothing old is deleted, no pool is scaled, and none of the other alerts about queues and Redis can fire.',
  findSubjects: () => [],
};

/** Alerts about failing jobs, webhooks, storage and Redis. */
export const SERVICE_RULES: readonly AlertRule[] = [
  {
    name: 'JobsFail',
    severity: 'warning',
    holdSeconds: 10 * MINUTE,
    summary: '{lod} jobs fail',
    expr:
      'sum by (lod) (comfy_fleet:jobs:rate5m{outcome="failed"}) ' +
      `/ sum by (lod) (comfy_fleet:jobs:rate5m{outcome=~"succeeded|failed"}) > ${MOST_FAILED_SHARE}`,
    description: '{{ $value | humanizePercentage }} of the {lod} jobs that ended in the last minutes failed.',
    findSubjects: ({ samples }) =>
      LODS.filter((lod) => {
        const failed = endedWithin(samples, 5 * MINUTE, 'failed', lod);
        return failed > MOST_FAILED_SHARE * (failed + endedWithin(samples, 5 * MINUTE, 'succeeded', lod));
      }).map((lod) => ({ lod })),
  },
  {
    name: 'ModelFetchesFail',
    severity: 'warning',
    holdSeconds: 10 * MINUTE,
    summary: 'Models cannot be fetched: {code}',
    expr: 'max by (code) (comfy_fleet_models_failing) > 0',
    description: '{{ $value }} copies of registered models could not be fetched: {code}. Jobs that need them wait.',
    findSubjects: ({ figures }) => [...figures.modelFaults.keys()].map((code) => ({ code })),
  },
  {
    name: 'WebhooksWait',
    severity: 'warning',
    holdSeconds: 5 * MINUTE,
    summary: 'Webhooks wait for their first try',
    expr: `max(comfy_fleet_webhook_oldest_seconds) > ${WEBHOOK_WAIT_SECONDS}`,
    description:
      'A webhook has been due for {{ $value | humanizeDuration }} and no dispatcher has tried it; ' +
      '{{ with query "max(comfy_fleet_webhooks_waiting)" }}{{ . | first | value }}{{ else }}0{{ end }}' +
      ' wait in all.',
    findSubjects: ({ figures }) => whole(figures.webhooks.oldestMs / 1000 > WEBHOOK_WAIT_SECONDS),
  },
  {
    name: 'OutboxStuck',
    severity: 'critical',
    holdSeconds: 10 * MINUTE,
    summary: 'Webhooks are not handed to the dispatchers',
    expr: `max(comfy_fleet_outbox_entries) > ${MOST_OUTBOX_ENTRIES}`,
    description:
      `{{ $value }} webhooks are in the outbox, and more than ${MOST_OUTBOX_ENTRIES} have been for 10 minutes: ` +
      'no dispatcher takes them out.',
    findSubjects: ({ figures }) => whole(figures.webhooks.outbox > MOST_OUTBOX_ENTRIES),
  },
  {
    name: 'FramesDiskLow',
    severity: 'warning',
    holdSeconds: 5 * MINUTE,
    summary: 'The disk of the pictures is nearly full',
    expr: `min(comfy_fleet_frames_free_bytes) < ${LOW_DISK_BYTES}`,
    description:
      '{{ $value | humanize1024 }}B are free where pictures are stored. ' +
      'Below MIN_FREE_BYTES new jobs are refused with 507, and accepted ones wait.',
    findSubjects: ({ freeBytes }) => whole(freeBytes !== undefined && freeBytes < LOW_DISK_BYTES),
  },
  {
    name: 'FramesDiskFull',
    severity: 'critical',
    holdSeconds: MINUTE,
    summary: 'There is no space for more pictures',
    expr: `min(comfy_fleet_frames_free_bytes) < ${FULL_DISK_BYTES}`,
    description:
      '{{ $value | humanize1024 }}B are free where pictures are stored: new jobs are refused with 507, ' +
      'and accepted ones wait, unless MIN_FREE_BYTES was lowered.',
    findSubjects: ({ freeBytes }) => whole(freeBytes !== undefined && freeBytes < FULL_DISK_BYTES),
  },
  {
    name: 'WorkersCannotStore',
    severity: 'critical',
    holdSeconds: MINUTE,
    summary: 'Workers cannot store pictures',
    expr: 'count(comfy_fleet_storage_up == 0) > 0',
    description:
      '{{ $value }} workers have been unable to store pictures for a minute. ' +
      'They claim no jobs until they can. Jobs wait, and none fail.',
    findSubjects: ({ figures }) => whole(figures.workers.some(({ storeFault }) => Boolean(storeFault))),
  },
  {
    name: 'RedisMayEvict',
    severity: 'critical',
    holdSeconds: MINUTE,
    summary: 'Redis may evict accepted jobs',
    expr: 'min(comfy_fleet_redis_noeviction) == 0',
    description:
      'maxmemory-policy is not noeviction: when memory runs out, Redis deletes jobs instead of refusing new ones.',
    findSubjects: ({ figures }) => whole(!figures.redis.noEviction),
  },
  {
    name: 'RedisForgets',
    severity: 'critical',
    holdSeconds: MINUTE,
    summary: 'Redis writes no append-only file',
    expr: 'min(comfy_fleet_redis_aof) == 0',
    description: 'appendonly is off: a restart of Redis loses the jobs that were accepted since its last snapshot.',
    findSubjects: ({ figures }) => whole(!figures.redis.aof),
  },
  {
    name: 'RedisMemoryHigh',
    severity: 'warning',
    holdSeconds: 5 * MINUTE,
    summary: 'Redis is running out of memory',
    expr: `max(comfy_fleet_redis_memory_bytes) / (max(comfy_fleet_redis_memory_max_bytes) > 0) > ${MOST_MEMORY_SHARE}`,
    description:
      'Redis uses {{ $value | humanizePercentage }} of its maxmemory. At 100 % it refuses writes, ' +
      'and the api answers 503.',
    findSubjects: ({ figures: { redis } }) =>
      whole(redis.memoryMaxBytes > 0 && redis.memoryBytes / redis.memoryMaxBytes > MOST_MEMORY_SHARE),
  },
  {
    name: 'ReplicasMissing',
    severity: 'critical',
    holdSeconds: MINUTE,
    summary: 'Redis has fewer replicas than required',
    expr: 'min(comfy_fleet_redis_replicas) < max(comfy_fleet_redis_replicas_wanted)',
    description:
      '{{ with query "max(comfy_fleet_redis_replicas_wanted)" }}{{ . | first | value }}{{ end }}' +
      ' replicas must have a job before it is acknowledged, and {{ $value }} follow Redis: ' +
      'new jobs are answered 503.',
    findSubjects: ({ figures, replicasWanted }) => whole(figures.redis.replicas < replicasWanted),
  },
  DISPATCHER_ABSENT,
];
