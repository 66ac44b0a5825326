import type { Config, RedisNode, RedisSettings } from '@comfy-fleet/config';
import { inspectRedis, type RedisInspection } from '@comfy-fleet/jobs';
import type { Logger } from '@comfy-fleet/telemetry';
import { showBytes } from '../../text.js';
import { clockFinding, type Finding, reportOf } from '../finding.js';

/** Checks Redis by what it reports about itself. */
export async function checkRedis({ redis }: Config, signal: AbortSignal, log: Logger): Promise<Finding[]> {
  let inspection: RedisInspection;
  try {
    inspection = await inspectRedis(redis, { signal, log });
  } catch (error) {
    signal.throwIfAborted();
    return [unreachable(addressOf(redis), error)];
  }
  return [
    reportOf('redis').ok(`answers at ${addressOf(redis)} (${inspection.mode})`),
    ...judgeRedis(inspection, { replicasNeeded: redis.wait?.replicas ?? 0 }),
    clockFinding('Redis', inspection.clockOffsetMs, { fineMs: 1000, badMs: 5000 }),
  ];
}

function unreachable(address: string, error: unknown): Finding {
  const { fail } = reportOf('redis');
  const words = reasonOf(error);
  if (/NOPERM/.test(words)) {
    const fix =
      'give the user of REDIS_URL the permissions that the fleet needs; docs/deploy.md has the line for ACL SETUSER';
    return fail(`Redis at ${address} forbids commands that the services use (${words})`, fix);
  }
  if (/WRONGPASS|NOAUTH/.test(words)) {
    const fix =
      'put user and password into REDIS_URL, redis://user:password@host:port, or into the file that REDIS_URL_FILE names';
    return fail(`Redis at ${address} rejects our credentials (${words})`, fix);
  }
  if (/CERT|ISSUER|SIGNATURE/.test(words)) {
    const fix =
      'set REDIS_CA_FILE to the authority that signed it; the certificate must name the host of REDIS_URL (subject alternative name)';
    return fail(`the certificate at ${address} is not accepted (${words})`, fix);
  }
  if (/ECONNRESET|EPROTO|ERR_SSL/.test(words)) {
    const fix =
      'write rediss:// in REDIS_URL if Redis uses TLS, redis:// if it does not; if it requires a client certificate, name one ' +
      'in REDIS_CERT_FILE and REDIS_KEY_FILE';
    return fail(`the server at ${address} breaks off the connection (${words})`, fix);
  }
  const fix = 'start Redis there (npm start starts its own), or set REDIS_URL to its address';
  return fail(`nothing answers at ${address} (${words})`, fix);
}

function reasonOf(error: unknown): string {
  const { code, message } = error as NodeJS.ErrnoException;
  return code ?? message;
}

/** The address without user and password. */
function addressOf({ url, sentinel, cluster }: RedisSettings): string {
  const { protocol, host } = new URL(url);
  const list = (nodes: readonly RedisNode[]) => nodes.map((node) => `${node.host}:${node.port}`).join(', ');
  if (sentinel !== undefined) return `${protocol}//${sentinel.name} (of the Sentinels ${list(sentinel.nodes)})`;
  return cluster === undefined ? `${protocol}//${host}` : `${protocol}//${list(cluster)} (a Cluster)`;
}

/** The first version with the commands that our scripts use (XAUTOCLAIM, ZRANGE by score) and that BullMQ supports. */
const OLDEST = [6, 2] as const;
/** Accepting a job takes several round trips, so slower ones are noticeable. */
const SLOW_MS = 20;
const FULL = 0.9;
const NEARLY_FULL = 0.75;

/** Judges everything but the clock of a Redis that answers. */
export function judgeRedis(
  inspection: RedisInspection,
  { replicasNeeded }: { readonly replicasNeeded: number },
): Finding[] {
  return [
    judgeVersion(inspection),
    judgeEviction(inspection),
    judgeFile(inspection),
    judgeLatency(inspection),
    judgeMemory(inspection),
    judgeReplicas(inspection, replicasNeeded),
  ];
}

function judgeVersion({ version }: RedisInspection): Finding {
  const { ok, fail } = reportOf('redis-version');
  const [major = 0, minor = 0] = version.split('.').map(Number);
  const isOld = major < OLDEST[0] || (major === OLDEST[0] && minor < OLDEST[1]);
  if (!isOld) return ok(version);
  const oldest = OLDEST.join('.');
  return fail(`${version} is too old: the job queue needs ${oldest}`, `upgrade Redis to ${oldest} or later, or Valkey`);
}

function judgeEviction({ evictionPolicy }: RedisInspection): Finding {
  const { ok, fail } = reportOf('redis-eviction');
  if (evictionPolicy === 'noeviction') return ok('noeviction: Redis deletes nothing when its memory is full');
  return fail(
    `maxmemory-policy is ${evictionPolicy}: Redis deletes jobs when its memory is full`,
    'redis-cli config set maxmemory-policy noeviction, and write `maxmemory-policy noeviction` into its configuration',
  );
}

function judgeFile({ aof, aofWritesGoWell, appendfsync }: RedisInspection): Finding {
  const { ok, warn, fail } = reportOf('redis-aof');
  const write = (line: string) => `and write \`${line}\` into its configuration`;
  if (!aof) {
    return fail(
      'there is no append-only file: jobs are lost when Redis restarts',
      `redis-cli config set appendonly yes, ${write('appendonly yes')}`,
    );
  }
  if (!aofWritesGoWell) {
    return fail('its last write to the append-only file failed', 'read the log of Redis; usually its disk is full');
  }
  const everyWrite = `redis-cli config set appendfsync always, ${write('appendfsync always')}`;
  if (appendfsync === 'always') return ok('on, appendfsync always: an accepted job is on disk');
  if (appendfsync === 'everysec') {
    return warn('on, appendfsync everysec: a power cut loses the jobs of the last second', everyWrite);
  }
  if (appendfsync === undefined) {
    return warn(
      'on; CONFIG is disabled here, so appendfsync is unknown',
      'ask your provider for the value of appendfsync',
    );
  }
  return fail(`on, but appendfsync is ${appendfsync}: a power cut loses jobs`, everyWrite);
}

function judgeLatency({ roundTripsMs }: RedisInspection): Finding {
  const { ok, warn } = reportOf('redis-latency');
  const at = (share: number) => roundTripsMs[Math.ceil(share * roundTripsMs.length) - 1] ?? 0;
  const found = `${roundTripsMs.length} pings: p50 ${at(0.5).toFixed(2)} ms, p99 ${at(0.99).toFixed(2)} ms`;
  if (at(0.99) <= SLOW_MS) return ok(found);
  return warn(
    found,
    'move Redis closer to the services, or reduce the load of its machine; each request waits for several round trips',
  );
}

function judgeMemory({ memoryBytes, memoryMaxBytes }: RedisInspection): Finding {
  const { ok, warn, fail } = reportOf('redis-memory');
  if (memoryMaxBytes === 0) {
    return warn(
      `${showBytes(memoryBytes)} used, without a limit: Redis may use all memory of the machine before it refuses jobs`,
      'redis-cli config set maxmemory 2gb, or as much as the machine can spare, and write `maxmemory 2gb` into its configuration',
    );
  }
  const share = memoryBytes / memoryMaxBytes;
  const found = `${showBytes(memoryBytes)} of ${showBytes(memoryMaxBytes)} used (${Math.round(share * 100)} %)`;
  const fix = 'raise maxmemory, or keep ended jobs for less time (JOB_TTL_SECONDS, KEY_JOBS_KEPT)';
  if (share > FULL) return fail(`${found}: no jobs are accepted when it is full`, fix);
  return share > NEARLY_FULL ? warn(found, fix) : ok(found);
}

function judgeReplicas({ role, replicas }: RedisInspection, needed: number): Finding {
  const { ok, warn, fail } = reportOf('redis-replicas');
  if (role === 'slave') {
    const fix = 'set REDIS_URL to the primary, or let Sentinel find it (REDIS_SENTINELS)';
    return fail('this is a replica, which accepts no writes', fix);
  }
  if (replicas < needed) {
    return fail(
      `${replicas} connected, but REDIS_WAIT_REPLICAS waits for ${needed}: new jobs wait in vain for replication`,
      'start the missing replicas, or lower REDIS_WAIT_REPLICAS',
    );
  }
  if (needed > 0 && replicas > needed) {
    return warn(
      `${replicas} connected, but REDIS_WAIT_REPLICAS waits for ${needed}: a failover may promote a replica without the latest jobs`,
      `set REDIS_WAIT_REPLICAS to ${replicas}`,
    );
  }
  return ok(replicas === 0 ? 'none' : `${replicas} connected`);
}
