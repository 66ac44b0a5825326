import { FleetError } from '@comfy-fleet/contracts';
import type { Deps } from '../deps.js';
import type { Caller } from './caller.js';

const SECONDS_OF_DAY = 86_400;

/** Until the limits of a day (UTC) begin anew. */
export function secondsToMidnight(): number {
  return SECONDS_OF_DAY - (Math.floor(Date.now() / 1000) % SECONDS_OF_DAY);
}

/** Today and the days before it (UTC), today first. */
export function lastDays(days: number): string[] {
  const now = Date.now();
  return Array.from({ length: days }, (_, ago) =>
    new Date(now - ago * SECONDS_OF_DAY * 1000).toISOString().slice(0, 10),
  );
}

/** Throws gpu_limit_reached when the key has had its GPU time of today, or will have it with the jobs that it has waiting. */
export async function requireGpuTime(
  { ledger: { accounts } }: Pick<Deps, 'ledger'>,
  { id, gpuSecondsPerDay: most }: Caller,
): Promise<void> {
  if (most === undefined) return;
  const { spentMs, expectedMs } = await accounts.gpuSpent(id);
  if (spentMs + expectedMs < most * 1000) return;
  const detail = `This API key may have ${most} seconds of GPU time a day (UTC), and has them with the jobs that wait.`;
  throw new FleetError('gpu_limit_reached', detail, { retryAfterSeconds: secondsToMidnight() });
}
