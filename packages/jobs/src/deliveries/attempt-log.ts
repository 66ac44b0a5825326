import type { WebhookAttempt } from '@comfy-fleet/contracts';
import type { Redis } from 'ioredis';
import type { Keys } from '../keys.js';

/** A try as the log keeps it: with the run of its item, which callers do not see. */
export interface LoggedAttempt extends WebhookAttempt {
  readonly run: string;
}

/** Tries kept of one job: the newest. */
const MOST_ATTEMPTS = 50;

export async function logAttempt(
  redis: Redis,
  keys: Keys,
  jobId: string,
  attempt: LoggedAttempt,
  lifeMs: number,
): Promise<void> {
  const key = keys.attempts(jobId);
  const replies = await redis
    .multi()
    .rpush(key, JSON.stringify(attempt))
    .ltrim(key, -MOST_ATTEMPTS, -1)
    .pexpire(key, lifeMs)
    .exec();
  const refused = replies?.find(([error]) => error !== null);
  if (refused) throw refused[0];
}

export function parseAttempts(lines: readonly string[]): LoggedAttempt[] {
  return lines.map((line) => JSON.parse(line) as LoggedAttempt);
}
