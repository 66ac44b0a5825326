import { connect as connectTcp } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { connect as connectTls } from 'node:tls';
import type { RedisNode, RedisSettings } from '@comfy-fleet/config';
import { AbstractConnector, type RedisOptions } from 'ioredis';
import { createPrimaryFinder } from './cluster-primary.js';

/** BullMQ's own default waits up to 20 s between tries; a fleet is to be back at once when its Redis is. */
const MAX_RECONNECT_DELAY_MS = 500;

/** ms before the next try to connect, after `tries` that failed. */
export function reconnectDelay(tries: number): number {
  return Math.min(50 * 2 ** Math.min(tries, 8), MAX_RECONNECT_DELAY_MS);
}

/** Longest wait for an answer of a Sentinel, or of a node that is asked where our keys are. */
const QUERY_TIMEOUT_MS = 1000;

/**
 * Tells ioredis where the primary of our keys is: at one address, where Sentinels say, or where a Cluster says. In each
 * case it is one connection to one server, so that all that is built on it means the same.
 */
export function redisEndpoint({ url, prefix, sentinel, cluster, tls }: RedisSettings): RedisOptions {
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
      sentinelCommandTimeout: QUERY_TIMEOUT_MS,
      sentinelRetryStrategy: reconnectDelay,
    };
  }
  if (cluster !== undefined) {
    const asking = { ...place, connectTimeout: QUERY_TIMEOUT_MS, commandTimeout: QUERY_TIMEOUT_MS };
    const find = createPrimaryFinder({ nodes: cluster, key: prefix, connection: asking });
    return { ...place, Connector: clusterConnector(find, tls) };
  }
  return { ...place, host: hostname.replace(/^\[|\]$/g, ''), port: port === '' ? 6379 : Number(port) };
}

/**
 * Makes ioredis connect to the node of a Cluster that has our keys, as its own SentinelConnector does to the primary of
 * Sentinels. All keys are in one slot, so one connection reaches everything; ioredis' Cluster would spread what has no
 * key (subscriptions, PUBSUB, WAIT) over nodes, and has neither the offline queue nor the time limits of a connection.
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

    /** Asks until it is told: ioredis gives a connection up for good when this rejects. */
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
