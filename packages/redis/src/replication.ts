import { setTimeout as delay, setImmediate as turn } from 'node:timers/promises';
import type { RedisSettings } from '@comfy-fleet/config';
import type { Logger } from '@comfy-fleet/telemetry';
import type { Redis } from 'ioredis';

/** Finds out whether enough replicas have a write, so that it survives a failover. */
export interface Replication {
  /**
   * Call this before writing, and the returned function after it. That function resolves to whether enough replicas
   * have everything that was written in between over this connection, and everything that the write found there
   * already.
   */
  begin(): () => Promise<boolean>;
}

const NOTHING_TO_WAIT_FOR: Replication = { begin: () => async () => true };

/** How long the mark lives. Nothing reads it. */
const MARK_SECONDS = 60;

/**
 * `redis` must be a connection for replicated writes only, because nothing else is executed on it while it waits for
 * replicas. If `wait` is undefined, no replicas are waited for. `mark` is a key that nothing else uses.
 */
export function createReplication(redis: Redis, mark: string, wait: RedisSettings['wait'], log: Logger): Replication {
  if (wait === undefined) return NOTHING_TO_WAIT_FOR;
  let lastAnswer: Promise<unknown> = Promise.resolve();
  let nextAnswer: Promise<boolean> | undefined;
  let isLacking = false;

  const waitForReplicas = async (): Promise<boolean> => {
    // WAIT covers what this connection wrote last. Writing the mark makes it cover the writes of others, too.
    const [, count] = await Promise.all([redis.set(mark, '', 'EX', MARK_SECONDS), redis.wait(wait.replicas, wait.ms)]);
    const isEnough = count >= wait.replicas;
    if (isEnough === isLacking) {
      if (isEnough) log.info('enough replicas follow again');
      else
        log.warn('too few replicas follow: no job is acknowledged or started', { wanted: wait.replicas, found: count });
    }
    isLacking = !isEnough;
    return isEnough;
  };
  const unknown = (error: unknown) => {
    log.debug('the primary did not report how many replicas have the write', { error });
    return false;
  };
  /** Calls in one turn of the event loop, and calls during a WAIT, share the next WAIT. */
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
        // After a reconnect, the server may be another one that lacks the write.
        return isEnough && redis.stream === stream;
      };
    },
  };
}

/** Pause between two tries while replicas are missing. */
const RETRY_MS = 100;

/**
 * Repeats a write until enough replicas have it, or until its reply is something other than `ok`. The write must be
 * safe to repeat. Rejects if the write rejects.
 */
export async function writeUntilReplicated(replication: Replication, write: () => Promise<unknown>): Promise<unknown> {
  for (;;) {
    const isReplicated = replication.begin();
    const reply = await write();
    if (reply !== 'ok' || (await isReplicated())) return reply;
    await delay(RETRY_MS);
  }
}
