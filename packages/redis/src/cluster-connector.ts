import { connect as connectTcp } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { connect as connectTls } from 'node:tls';
import type { RedisNode, RedisSettings } from '@comfy-fleet/config';
import { AbstractConnector, type RedisOptions } from 'ioredis';
import { reconnectDelay } from './reconnect-delay.js';

/**
 * Makes ioredis connect to the node of a Cluster that has our keys, as its own SentinelConnector does to the primary of
 * Sentinels. All keys are in one slot, so one connection reaches everything; ioredis' Cluster would spread what has no
 * key (subscriptions, PUBSUB, WAIT) over nodes, and has neither the offline queue nor the time limits of a connection.
 */
export function clusterConnector(
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
