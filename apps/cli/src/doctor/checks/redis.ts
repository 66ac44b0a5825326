import type { Config, RedisNode, RedisSettings } from '@comfy-fleet/config';
import { inspectRedis, type RedisInspection } from '@comfy-fleet/jobs';
import type { Logger } from '@comfy-fleet/telemetry';
import { showBytes } from '../../text.js';
import { clockFinding, type Finding, reportOf } from '../finding.js';

/** Redis itself, by what it says of itself. */
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
    const fix = 'allow the user of REDIS_URL what a fleet does; docs/deploy.md has the line for ACL SETUSER';
    return fail(`it forbids at ${address} what the services do (${words})`, fix);
  }
  if (/WRONGPASS|NOAUTH/.test(words)) {
    const fix =
      'put user and password into REDIS_URL, redis://user:password@host:port, or into the file REDIS_URL_FILE names';
    return fail(`it does not let us in at ${address} (${words})`, fix);
  }
  if (/CERT|ISSUER|SIGNATURE/.test(words)) {
    const fix =
      'name the authority that signed it in REDIS_CA_FILE, and have it name the host of REDIS_URL (a subject alternative name)';
    return fail(`the certificate at ${address} is not accepted (${words})`, fix);
  }
  if (/ECONNRESET|EPROTO|ERR_SSL/.test(words)) {
    const fix =
      'write rediss:// in REDIS_URL where Redis speaks TLS, redis:// where it does not; if it asks for a certificate, name ' +
      'one in REDIS_CERT_FILE and REDIS_KEY_FILE';
    return fail(`what answers at ${address} breaks off (${words})`, fix);
  }
  const fix = 'start Redis there (npm start brings one of its own), or set REDIS_URL to where it is';
  return fail(`nothing answers at ${address} (${words})`, fix);
}

function reasonOf(error: unknown): string {
  const { code, message } = error as NodeJS.ErrnoException;
  return code ?? message;
}

/** Without user and password. */
function addressOf({ url, sentinel, cluster }: RedisSettings): string {
  const { protocol, host } = new URL(url);
  const list = (nodes: readonly RedisNode[]) => nodes.map((node) => `${node.host}:${node.port}`).join(', ');
  if (sentinel !== undefined) return `${protocol}//${sentinel.name} (of the Sentinels ${list(sentinel.nodes)})`;
  return cluster === undefined ? `${protocol}//${host}` : `${protocol}//${list(cluster)} (a Cluster)`;
}

/** What the scripts use came with it (XAUTOCLAIM, ZRANGE by score), and BullMQ asks for it. */
const OLDEST = [6, 2] as const;
/** A submission takes a handful of round trips: slower than this they show. */
const SLOW_MS = 20;
const FULL = 0.9;
const NEARLY_FULL = 0.75;

/** What is to be said of a Redis that answers, but for its clock. */
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
  if (evictionPolicy === 'noeviction') return ok('noeviction: nothing is thrown away when memory is full');
  return fail(
    `maxmemory-policy is ${evictionPolicy}: when its memory is full Redis throws jobs away`,
    'redis-cli config set maxmemory-policy noeviction, and write `maxmemory-policy noeviction` into its configuration',
  );
}

function judgeFile({ aof, aofWritesGoWell, appendfsync }: RedisInspection): Finding {
  const { ok, warn, fail } = reportOf('redis-aof');
  const write = (line: string) => `and write \`${line}\` into its configuration`;
  if (!aof) {
    return fail(
      'there is no append-only file: jobs are gone when Redis restarts',
      `redis-cli config set appendonly yes, ${write('appendonly yes')}`,
    );
  }
  if (!aofWritesGoWell) {
    return fail('its last write to the append-only file failed', 'look into its log; most often its disk is full');
  }
  const everyWrite = `redis-cli config set appendfsync always, ${write('appendfsync always')}`;
  if (appendfsync === 'always') return ok('on, appendfsync always: an accepted job is on disk');
  if (appendfsync === 'everysec') {
    return warn('on, appendfsync everysec: a power cut loses the jobs of the last second', everyWrite);
  }
  if (appendfsync === undefined) {
    return warn('on; how often it is synced may not be asked here (CONFIG is closed)', 'look it up at your provider');
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
    'bring Redis nearer to the services, or free its machine; every request waits for it several times',
  );
}

function judgeMemory({ usedBytes, maxBytes }: RedisInspection): Finding {
  const { ok, warn, fail } = reportOf('redis-memory');
  if (maxBytes === 0) {
    return warn(
      `${showBytes(usedBytes)} used, without a limit: it takes the memory of the whole machine before it refuses jobs`,
      'redis-cli config set maxmemory 2gb, or what the machine can spare, and write `maxmemory 2gb` into its configuration',
    );
  }
  const share = usedBytes / maxBytes;
  const found = `${showBytes(usedBytes)} of ${showBytes(maxBytes)} used (${Math.round(share * 100)} %)`;
  const fix = 'raise maxmemory, or keep ended jobs shorter (JOB_TTL_SECONDS, KEY_JOBS_KEPT)';
  if (share > FULL) return fail(`${found}: when it is full no job is accepted`, fix);
  return share > NEARLY_FULL ? warn(found, fix) : ok(found);
}

function judgeReplicas({ role, replicas }: RedisInspection, needed: number): Finding {
  const { ok, warn, fail } = reportOf('redis-replicas');
  if (role === 'slave') {
    const fix = 'name the primary in REDIS_URL, or let Sentinel name it (REDIS_SENTINELS)';
    return fail('this is a replica, which takes no writes', fix);
  }
  if (replicas < needed) {
    return fail(
      `${replicas} are connected, and REDIS_WAIT_REPLICAS wants ${needed}: jobs wait in vain to be copied`,
      'bring the missing replicas back, or lower REDIS_WAIT_REPLICAS',
    );
  }
  if (needed > 0 && replicas > needed) {
    return warn(
      `${replicas} are connected, and REDIS_WAIT_REPLICAS waits for ${needed}: a failover may promote one that lacks accepted jobs`,
      `set REDIS_WAIT_REPLICAS to ${replicas}`,
    );
  }
  return ok(replicas === 0 ? 'none' : `${replicas} connected`);
}
