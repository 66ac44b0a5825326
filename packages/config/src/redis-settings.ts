import { readFileSync } from 'node:fs';
import type { Settings } from './settings-schema.js';

export interface RedisNode {
  readonly host: string;
  readonly port: number;
}

/** How Redis is reached: one server, the primary that Sentinels name, or a Cluster. */
export interface RedisSettings {
  /** `redis://` or `rediss://` with user, password and database; its host and port count for one server only. */
  readonly url: string;
  readonly prefix: string;
  /** Longest wait of a process that answers callers for one answer of Redis, in ms. */
  readonly timeoutMs: number;
  readonly sentinel:
    | { readonly nodes: readonly RedisNode[]; readonly name: string; readonly password: string | undefined }
    | undefined;
  /** Nodes to ask first; the others are learned from them. */
  readonly cluster: readonly RedisNode[] | undefined;
  /** For rediss://, as PEM; what is undefined is Node's own. */
  readonly tls: { readonly ca?: string; readonly cert?: string; readonly key?: string } | undefined;
  /** How many replicas must have a job, or a prompt's id, before anybody hears of it, and their time for that, in ms. */
  readonly wait: { readonly replicas: number; readonly ms: number } | undefined;
}

const FILES = { ca: 'REDIS_CA_FILE', cert: 'REDIS_CERT_FILE', key: 'REDIS_KEY_FILE' } as const;

/** What does not fit together in the settings of Redis. */
export function redisFaults(s: Settings): string[] {
  const faults: string[] = [];
  const url = URL.canParse(s.REDIS_URL) ? new URL(s.REDIS_URL) : undefined;
  if (url === undefined || !isDecodable(url))
    faults.push('REDIS_URL: is not an address; a password in it may need percent-encoding');
  if (s.REDIS_SENTINELS !== undefined && s.REDIS_CLUSTER !== undefined) {
    faults.push('REDIS_SENTINELS and REDIS_CLUSTER: Redis is reached by one of them, not by both');
  }
  if (s.REDIS_CLUSTER !== undefined && !['', '/', '/0'].includes(url?.pathname ?? '')) {
    faults.push('REDIS_URL: names a database; a Cluster (REDIS_CLUSTER) has only 0');
  }
  for (const name of Object.values(FILES)) {
    const path = s[name];
    if (path === undefined) continue;
    if (url?.protocol === 'redis:')
      faults.push(`${name}=${path}: is for TLS, but REDIS_URL does not begin with rediss://`);
    const fault = unreadable(path);
    if (fault !== undefined) faults.push(`${name}=${path}: ${fault}`);
  }
  if ((s.REDIS_CERT_FILE === undefined) !== (s.REDIS_KEY_FILE === undefined)) {
    faults.push('REDIS_CERT_FILE and REDIS_KEY_FILE: one is of no use without the other');
  }
  if (s.REDIS_WAIT_REPLICAS > 0 && s.REDIS_WAIT_MS >= s.REDIS_TIMEOUT_MS) {
    faults.push(
      `REDIS_WAIT_MS=${s.REDIS_WAIT_MS}: must be smaller than REDIS_TIMEOUT_MS=${s.REDIS_TIMEOUT_MS}, after which nobody waits any more`,
    );
  }
  return faults;
}

export function toRedisSettings(s: Settings): RedisSettings {
  const sentinels = s.REDIS_SENTINELS;
  return {
    url: s.REDIS_URL,
    prefix: s.KEY_PREFIX,
    timeoutMs: s.REDIS_TIMEOUT_MS,
    sentinel:
      sentinels === undefined
        ? undefined
        : { nodes: nodesOf(sentinels), name: s.REDIS_SENTINEL_NAME, password: s.REDIS_SENTINEL_PASSWORD },
    cluster: s.REDIS_CLUSTER === undefined ? undefined : nodesOf(s.REDIS_CLUSTER),
    tls: s.REDIS_URL.startsWith('rediss:') ? tlsOf(s) : undefined,
    wait: s.REDIS_WAIT_REPLICAS === 0 ? undefined : { replicas: s.REDIS_WAIT_REPLICAS, ms: s.REDIS_WAIT_MS },
  };
}

function isDecodable({ username, password }: URL): boolean {
  try {
    decodeURIComponent(username + password);
    return true;
  } catch {
    return false;
  }
}

function nodesOf(text: string): RedisNode[] {
  return text.split(',').map((part) => {
    const colon = part.lastIndexOf(':');
    const host = part
      .slice(0, colon)
      .trim()
      .replace(/^\[|\]$/g, '');
    return { host, port: Number(part.slice(colon + 1)) };
  });
}

function tlsOf(s: Settings): NonNullable<RedisSettings['tls']> {
  const texts = Object.entries(FILES).flatMap(([part, name]) => {
    const path = s[name];
    return path === undefined ? [] : [[part, readFileSync(path, 'utf8')]];
  });
  return Object.fromEntries(texts) as NonNullable<RedisSettings['tls']>;
}

function unreadable(path: string): string | undefined {
  try {
    readFileSync(path);
    return undefined;
  } catch (error) {
    return `cannot be read (${(error as NodeJS.ErrnoException).code})`;
  }
}
