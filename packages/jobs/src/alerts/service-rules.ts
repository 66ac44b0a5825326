import { LODS } from '@comfy-fleet/contracts';
import { type AlertRule, endedWithin, MINUTE, whole } from './rule.js';

const MOST_FAILED_SHARE = 0.1;
const WEBHOOK_WAIT_SECONDS = 60;
const MOST_OUTBOX_ENTRIES = 100;
const LOW_DISK_BYTES = 5 * 1024 ** 3;
const FULL_DISK_BYTES = 1024 ** 3;
const MOST_MEMORY_SHARE = 0.8;

/** Alerts about failing jobs, webhooks, storage and Redis. */
export const SERVICE_RULES: readonly AlertRule[] = [
  {
    name: 'JobsFail',
    severity: 'warning',
    holdSeconds: 10 * MINUTE,
    summary: '{lod} jobs fail',
    description: 'More than a tenth of the {lod} jobs that ended in the last minutes failed.',
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
    description: 'Registered models could not be fetched: {code}. Jobs that need them wait.',
    findSubjects: ({ figures }) => [...figures.modelFaults.keys()].map((code) => ({ code })),
  },
  {
    name: 'WebhooksWait',
    severity: 'warning',
    holdSeconds: 5 * MINUTE,
    summary: 'Webhooks wait for their first try',
    description: 'A webhook has been due for more than a minute and no dispatcher has tried it.',
    findSubjects: ({ figures }) => whole(figures.webhooks.oldestMs / 1000 > WEBHOOK_WAIT_SECONDS),
  },
  {
    name: 'OutboxStuck',
    severity: 'critical',
    holdSeconds: 10 * MINUTE,
    summary: 'Webhooks are not handed to the dispatchers',
    description: `More than ${MOST_OUTBOX_ENTRIES} webhooks have been in the outbox for 10 minutes: no dispatcher takes them out.`,
    findSubjects: ({ figures }) => whole(figures.webhooks.outbox > MOST_OUTBOX_ENTRIES),
  },
  {
    name: 'FramesDiskLow',
    severity: 'warning',
    holdSeconds: 5 * MINUTE,
    summary: 'The disk of the pictures is nearly full',
    description:
      'Less than 5 GiB are free where pictures are stored. ' +
      'Below MIN_FREE_BYTES new jobs are refused with 507, and accepted ones wait.',
    findSubjects: ({ freeBytes }) => whole(freeBytes !== undefined && freeBytes < LOW_DISK_BYTES),
  },
  {
    name: 'FramesDiskFull',
    severity: 'critical',
    holdSeconds: MINUTE,
    summary: 'There is no space for more pictures',
    description:
      'Less than 1 GiB is free where pictures are stored: new jobs are refused with 507, ' +
      'and accepted ones wait, unless MIN_FREE_BYTES was lowered.',
    findSubjects: ({ freeBytes }) => whole(freeBytes !== undefined && freeBytes < FULL_DISK_BYTES),
  },
  {
    name: 'WorkersCannotStore',
    severity: 'critical',
    holdSeconds: MINUTE,
    summary: 'Workers cannot store pictures',
    description:
      'Workers have been unable to store pictures for a minute. ' +
      'They claim no jobs until they can. Jobs wait, and none fail.',
    findSubjects: ({ figures }) => whole(figures.workers.some(({ storeFault }) => Boolean(storeFault))),
  },
  {
    name: 'RedisMayEvict',
    severity: 'critical',
    holdSeconds: MINUTE,
    summary: 'Redis may evict accepted jobs',
    description:
      'maxmemory-policy is not noeviction: when memory runs out, Redis deletes jobs instead of refusing new ones.',
    findSubjects: ({ figures }) => whole(figures.redis.evictionPolicy !== 'noeviction'),
  },
  {
    name: 'RedisForgets',
    severity: 'critical',
    holdSeconds: MINUTE,
    summary: 'Redis writes no append-only file',
    description: 'appendonly is off: a restart of Redis loses the jobs that were accepted since its last snapshot.',
    findSubjects: ({ figures }) => whole(!figures.redis.aof),
  },
  {
    name: 'RedisMemoryHigh',
    severity: 'warning',
    holdSeconds: 5 * MINUTE,
    summary: 'Redis is running out of memory',
    description: 'Redis uses more than 80 % of its maxmemory. At 100 % it refuses writes, and the api answers 503.',
    findSubjects: ({ figures: { redis } }) =>
      whole(redis.memoryMaxBytes > 0 && redis.memoryBytes / redis.memoryMaxBytes > MOST_MEMORY_SHARE),
  },
  {
    name: 'ReplicasMissing',
    severity: 'critical',
    holdSeconds: MINUTE,
    summary: 'Redis has fewer replicas than required',
    description:
      'Fewer replicas follow Redis than must have a job before it is acknowledged: new jobs are answered 503.',
    findSubjects: ({ figures, replicasWanted }) => whole(figures.redis.replicas < replicasWanted),
  },
];
