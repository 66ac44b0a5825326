import { setTimeout as delay, setImmediate as turn } from 'node:timers/promises';
import type { RedisSettings } from '@comfy-fleet/config';
import type { Logger } from '@comfy-fleet/telemetry';
import type { Redis } from 'ioredis';

/** Tells whether replicas have what was written, so that it outlives the primary. */
export interface Replication {
  /**
   * To be called before writing. What it answers is to be called after that, and answers whether as many replicas as
   * are wanted have what was written in between on this connection, or was found there as written before.
   */
  begin(): () => Promise<boolean>;
}

const NOTHING_TO_WAIT_FOR: Replication = { begin: () => async () => true };

/** The time that the mark lives, which nobody reads. */
const MARK_SECONDS = 60;

/**
 * `redis` is used for such writes only: while it waits for replicas, nothing else on it is carried out. Without `wait` no
 * replica is asked. `mark` is a key of its own.
 */
export function createReplication(redis: Redis, mark: string, wait: RedisSettings['wait'], log: Logger): Replication {
  if (wait === undefined) return NOTHING_TO_WAIT_FOR;
  let lastAnswer: Promise<unknown> = Promise.resolve();
  let nextAnswer: Promise<boolean> | undefined;
  let isLacking = false;

  const waitForReplicas = async (): Promise<boolean> => {
    // WAIT is for what this connection wrote last: the mark makes it wait for what others wrote, too.
    const [, count] = await Promise.all([redis.set(mark, '', 'EX', MARK_SECONDS), redis.wait(wait.replicas, wait.ms)]);
    const isEnough = count >= wait.replicas;
    if (isEnough === isLacking) {
      if (isEnough) log.info('there are replicas enough again');
      else log.warn('replicas are missing: no job is acknowledged or begun', { wanted: wait.replicas, found: count });
    }
    isLacking = !isEnough;
    return isEnough;
  };
  const unknown = (error: unknown) => {
    log.debug('the primary did not say whether replicas have it', { error });
    return false;
  };
  /** Those who ask in one turn of the event loop, or while others wait, wait together afterwards. */
  const waitTogether = () => {
    nextAnswer ??= Promise.all([lastAnswer, turn()]).then(() => {
      nextAnswer = undefined;
      const answer = waitForReplicas().catch(unknown);
      lastAnswer = answer;
      return answer;
    });
    return nextAnswer;
  };
  return {
    begin: () => {
      const { stream } = redis;
      return async () => {
        const isEnough = await waitTogether();
        // Another connection may lead to another server, which knows nothing of what was written.
        return isEnough && redis.stream === stream;
      };
    },
  };
}

/** Between two tries while replicas are missing. */
const RETRY_MS = 100;

/**
 * Writes, as often as it takes until the replicas have it or the reply is another than `ok`; the write has to be safe to
 * repeat. Rejects when it does.
 */
export async function writeUntilReplicated(replication: Replication, write: () => Promise<unknown>): Promise<unknown> {
  for (;;) {
    const isReplicated = replication.begin();
    const reply = await write();
    if (reply !== 'ok' || (await isReplicated())) return reply;
    await delay(RETRY_MS);
  }
}
