import type { RedisSettings } from '@comfy-fleet/config';
import type { RedisOptions } from 'ioredis';
import { clusterConnector } from './cluster-connector.js';
import { createPrimaryFinder } from './cluster-primary.js';
import { reconnectDelay } from './reconnect-delay.js';

/** Longest wait for an answer of a Sentinel, or of a node that is asked where our keys are. */
const ASK_TIMEOUT_MS = 1000;

/**
 * Tells ioredis where the primary of our keys is: at one address, where Sentinels say, or where a Cluster says. In each
 * case it is one connection to one server, so that all that is built on it means the same.
 */
export function redisPlace({ url, prefix, sentinel, cluster, tls }: RedisSettings): RedisOptions {
  const { hostname, port, username, password, pathname } = new URL(url);
  const place: RedisOptions = {
    ...(username === '' ? {} : { username: decodeURIComponent(username) }),
    ...(password === '' ? {} : { password: decodeURIComponent(password) }),
    ...(tls === undefined ? {} : { tls: { ...tls } }),
    db: Number(pathname.slice(1)),
  };
  if (sentinel !== undefined) {
    return {
      ...place,
      sentinels: [...sentinel.nodes],
      name: sentinel.name,
      ...(sentinel.password === undefined ? {} : { sentinelPassword: sentinel.password }),
      ...(tls === undefined ? {} : { sentinelTLS: { ...tls }, enableTLSForSentinelMode: true }),
      sentinelCommandTimeout: ASK_TIMEOUT_MS,
      sentinelRetryStrategy: reconnectDelay,
    };
  }
  if (cluster !== undefined) {
    const asking = { ...place, connectTimeout: ASK_TIMEOUT_MS, commandTimeout: ASK_TIMEOUT_MS };
    const find = createPrimaryFinder({ nodes: cluster, key: prefix, asking });
    return { ...place, Connector: clusterConnector(find, tls) };
  }
  return { ...place, host: hostname.replace(/^\[|\]$/g, ''), port: port === '' ? 6379 : Number(port) };
}
