import { connect as connectTcp } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { connect as connectTls } from 'node:tls';
import type { RedisNode, RedisSettings } from '@comfy-fleet/config';
import { AbstractConnector, type RedisOptions } from 'ioredis';
import { createPrimaryFinder } from './cluster-primary.js';

/** BullMQ waits up to 20 s between tries by default. A fleet must be back as soon as its Redis is. */
const MAX_RECONNECT_DELAY_MS = 500;

/** How many ms to wait before connecting again after `tries` failed tries. */
export function reconnectDelay(tries: number): number {
  return Math.min(50 * 2 ** Math.min(tries, 8), MAX_RECONNECT_DELAY_MS);
}

/** Timeout of queries to Sentinels and to Cluster nodes that ask where our keys are. */
const QUERY_TIMEOUT_MS = 1000;

/**
 * Options that tell ioredis how to find the primary that holds our keys: at a fixed address, through Sentinels, or in a
 * Cluster. In each case the result is one connection to one server, so the code above it is the same for all three.
 */
export function redisEndpoint({ url, prefix, sentinel, cluster, tls }: RedisSettings): RedisOptions {
  const { hostname, port, username, password, pathname } = new URL(url);
  const base: RedisOptions = {
    ...(username === '' ? {} : { username: decodeURIComponent(username) }),
    ...(password === '' ? {} : { password: decodeURIComponent(password) }),
    ...(tls === undefined ? {} : { tls: { ...tls } }),
    db: Number(pathname.slice(1)),
  };
  if (sentinel !== undefined) {
    return {
      ...base,
      sentinels: [...sentinel.nodes],
      name: sentinel.name,
      ...(sentinel.password === undefined ? {} : { sentinelPassword: sentinel.password }),
      ...(tls === undefined ? {} : { sentinelTLS: { ...tls }, enableTLSForSentinelMode: true }),
      sentinelCommandTimeout: QUERY_TIMEOUT_MS,
      sentinelRetryStrategy: reconnectDelay,
    };
  }
  if (cluster !== undefined) {
    const connection = { ...base, connectTimeout: QUERY_TIMEOUT_MS, commandTimeout: QUERY_TIMEOUT_MS };
    const find = createPrimaryFinder({ nodes: cluster, key: prefix, connection });
    return { ...base, Connector: clusterConnector(find, tls) };
  }
  return { ...base, host: hostname.replace(/^\[|\]$/g, ''), port: port === '' ? 6379 : Number(port) };
}

/**
 * Connects ioredis to the Cluster node that holds our keys, as its own SentinelConnector connects to the primary. All
 * our keys are in one slot, so one connection reaches them all. ioredis' Cluster class would spread commands without a
 * key (subscriptions, PUBSUB, WAIT) over the nodes, and it lacks the offline queue and the timeouts of a connection.
 */
function clusterConnector(
  find: () => Promise<RedisNode>,
  tls: RedisSettings['tls'],
): NonNullable<RedisOptions['Connector']> {
  return class ClusterConnector extends AbstractConnector {
    #attempt = 0;

    constructor(options: unknown) {
      super((options as RedisOptions).disconnectTimeout ?? 0);
    }

    /** Retries until a node is found: if this rejects, ioredis gives up the connection for good. */
    async connect(report: (type: string, error: Error) => void) {
      this.connecting = true;
      const attempt = ++this.#attempt;
      for (let tries = 1; ; tries++) {
        const found = await find().catch((error: unknown) => error as Error);
        if (!(found instanceof Error) && this.#isWanted(attempt)) return this.#open(found);
        if (found instanceof Error && this.#isWanted(attempt)) {
          report('error', found);
          await delay(reconnectDelay(tries));
        }
        if (!this.#isWanted(attempt)) throw new Error('Connection is closed.');
      }
    }

    #isWanted(attempt: number): boolean {
      return this.connecting && attempt === this.#attempt;
    }

    #open({ host, port }: RedisNode) {
      this.stream = tls === undefined ? connectTcp({ host, port }) : connectTls({ host, port, ...tls });
      this.stream.once('error', (error: Error) => {
        this.firstError = error;
      });
      return this.stream;
    }
  };
}
