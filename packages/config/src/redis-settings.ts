import { readFileSync } from 'node:fs';
import type { RawConfig } from './schema/config-schema.js';

export interface RedisNode {
  readonly host: string;
  readonly port: number;
}

/** How to reach Redis: one server, the primary that Sentinels name, or a Cluster. */
export interface RedisSettings {
  /** `redis://` or `rediss://` with user, password and database; host and port are only used for one server. */
  readonly url: string;
  readonly prefix: string;
  /** How long a process that answers callers waits for an answer of Redis, in ms. */
  readonly timeoutMs: number;
  readonly sentinel:
    | { readonly nodes: readonly RedisNode[]; readonly name: string; readonly password: string | undefined }
    | undefined;
  /** Nodes to ask first; they name the others. */
  readonly cluster: readonly RedisNode[] | undefined;
  /** For rediss://, as PEM; undefined parts are Node's defaults. */
  readonly tls: { readonly ca?: string; readonly cert?: string; readonly key?: string } | undefined;
  /** How many replicas must have a job or a prompt id before it is confirmed, and how long to wait for them, in ms. */
  readonly wait: { readonly replicas: number; readonly ms: number } | undefined;
}

/** The part of a request's wait for Redis that replicas may take; the rest is for the answer itself. */
const REPLICAS_PART = 5 / 8;

const PEM_FILES = ['ca', 'cert', 'key'] as const;

/** Contradictions in the settings of Redis. */
export function redisFaults(s: RawConfig['redis']): string[] {
  const faults: string[] = [];
  const url = URL.canParse(s.url) ? new URL(s.url) : undefined;
  if (url === undefined || !isDecodable(url))
    faults.push('REDIS_URL: is not an address; a password in it may need percent-encoding');
  if (s.sentinels !== undefined && s.cluster !== undefined) {
    faults.push('REDIS_SENTINELS and REDIS_CLUSTER are both set: keep one of them');
  }
  if (s.cluster !== undefined && !['', '/', '/0'].includes(url?.pathname ?? '')) {
    faults.push('REDIS_URL: names a database; a Cluster (REDIS_CLUSTER) has only 0');
  }
  for (const part of PEM_FILES) {
    const [name, path] = [`REDIS_${part.toUpperCase()}_FILE`, s[part]];
    if (path === undefined) continue;
    if (url?.protocol === 'redis:')
      faults.push(`${name}=${path}: is only used with TLS, but REDIS_URL does not begin with rediss://`);
    const fault = unreadable(path);
    if (fault !== undefined) faults.push(`${name}=${path}: ${fault}`);
  }
  if ((s.cert === undefined) !== (s.key === undefined)) {
    faults.push('REDIS_CERT_FILE and REDIS_KEY_FILE: each needs the other');
  }
  return faults;
}

export function toRedisSettings(s: RawConfig['redis']): RedisSettings {
  const sentinels = s.sentinels;
  return {
    url: s.url,
    prefix: s.prefix,
    timeoutMs: s.timeoutMs,
    sentinel:
      sentinels === undefined
        ? undefined
        : { nodes: nodesOf(sentinels), name: s.sentinelName, password: s.sentinelPassword },
    cluster: s.cluster === undefined ? undefined : nodesOf(s.cluster),
    tls: s.url.startsWith('rediss:') ? tlsOf(s) : undefined,
    wait: s.waitReplicas === 0 ? undefined : { replicas: s.waitReplicas, ms: Math.floor(s.timeoutMs * REPLICAS_PART) },
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

function tlsOf(s: RawConfig['redis']): NonNullable<RedisSettings['tls']> {
  const texts = PEM_FILES.flatMap((part) => {
    const path = s[part];
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
