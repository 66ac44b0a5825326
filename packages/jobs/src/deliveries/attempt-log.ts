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

/** The tries that lines of the log tell. */
export function parseAttempts(lines: readonly string[]): LoggedAttempt[] {
  // A line whose writing Redis died over, after it had kept it and before it could say so, was sent and written again.
  const once = lines.filter((line, n) => line !== lines[n - 1]);
  return once.map((line) => JSON.parse(line) as LoggedAttempt);
}
