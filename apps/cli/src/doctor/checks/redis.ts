import type { Config, RedisNode, RedisSettings } from '@comfy-fleet/config';
import { inspectRedis, type RedisInspection } from '@comfy-fleet/jobs';
import type { Logger } from '@comfy-fleet/telemetry';
import { type Finding, reportOf } from '../finding.js';
import { clockFinding } from './clock.js';
import { judgeRedis } from './judge-redis.js';

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
