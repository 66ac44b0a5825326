import { setTimeout as delay } from 'node:timers/promises';
import { joinSignals } from '@comfy-fleet/contracts';

/** Longer than a failover takes, shorter than anybody who waits for the end of a process would like. */
const PATIENCE_MS = 10_000;
const LOOK_MS = 500;
/** Of one PING; longer than REDIS_TIMEOUT_MS. */
const ANSWER_MS = 2000;

interface RedisNeeded {
  /** Resolves when Redis has answered; rejects when it cannot, or when the signal aborts. */
  readonly ping: (signal: AbortSignal) => Promise<unknown>;
  readonly patienceMs?: number;
}

/**
 * What `work` resolves to. Rejects when Redis has not answered for so long that nothing comes of waiting for it: for the end of a
 * process, whose jobs are taken up by whoever finds Redis again.
 */
export async function whileRedisAnswers<T>(
  work: Promise<T>,
  { ping, patienceMs = PATIENCE_MS }: RedisNeeded,
): Promise<T> {
  const over = new AbortController();
  const gone = async (): Promise<never> => {
    for (let answered = performance.now(); ; ) {
      const late = joinSignals([over.signal], { ms: ANSWER_MS });
      const isThere = await ping(late.signal).then(
        () => true,
        () => false,
      );
      late.end();
      if (isThere) answered = performance.now();
      else if (performance.now() - answered > patienceMs) {
        throw new Error(
          `Redis has not answered for ${patienceMs / 1000} s: what is under way is left to whoever finds it again`,
        );
      }
      await delay(LOOK_MS, undefined, { signal: over.signal });
    }
  };
  const looking = gone();
  looking.catch(() => undefined); // also when nobody waits for it any more
  try {
    return await Promise.race([work, looking]);
  } finally {
    over.abort();
  }
}
