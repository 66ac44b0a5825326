import type { Config } from '@comfy-fleet/config';
import { ANONYMOUS, FleetError } from '@comfy-fleet/contracts';
import type { Ledger } from '@comfy-fleet/jobs';
import type { Logger } from '@comfy-fleet/telemetry';
import type { Caller } from './gate.js';
import { createQuota, type Quota } from './quota.js';

const SECONDS_OF_DAY = 86_400;

/** Seconds until the daily limits are reset (midnight UTC). */
export function secondsToMidnight(): number {
  return SECONDS_OF_DAY - (Math.floor(Date.now() / 1000) % SECONDS_OF_DAY);
}

/** Today and the days before it (UTC), today first. */
export function lastDays(days: number): string[] {
  const dayOf = (ms: number) => new Date(ms).toISOString().slice(0, 10);
  return Array.from({ length: days }, (_, ago) => dayOf(Date.now() - ago * SECONDS_OF_DAY * 1000));
}

/** The RateLimit headers (draft-ietf-httpapi-ratelimit-headers-10), and a `rate_limited` error above the limit. */
interface Reading {
  readonly headers: Readonly<Record<string, string>>;
  readonly refusal: FleetError | undefined;
}

/** Counts a request of the caller. Never rejects: while Redis is down, requests are not counted. */
export type Meter = (caller: Caller | undefined) => Promise<Reading>;

const UNLIMITED: Reading = { headers: {}, refusal: undefined };

export function createMeter(accounts: Pick<Ledger['accounts'], 'count'>, log: Logger): Meter {
  return async (caller) => {
    const most = caller?.limits?.requests_per_minute;
    if (caller === undefined || most === undefined) return UNLIMITED;
    try {
      const { requests, resetMs } = await accounts.count(caller.id);
      const retryAfterSeconds = Math.max(1, Math.ceil(resetMs / 1000));
      const headers = {
        'RateLimit-Policy': `"requests";q=${most};w=60`,
        RateLimit: `"requests";r=${Math.max(0, most - requests)};t=${retryAfterSeconds}`,
      };
      if (requests <= most) return { headers, refusal: undefined };
      const detail = `This API key may send ${most} requests a minute. Try again in ${retryAfterSeconds} s.`;
      return { headers, refusal: new FleetError('rate_limited', detail, { retryAfterSeconds }) };
    } catch (error) {
      log.debug('a request was not counted', { error });
      return UNLIMITED;
    }
  };
}

const STREAM_RETRY_SECONDS = 5;

/** Streams of some kind that one process has open. */
export type OpenStreams = Quota;

/** `gauge` shows how many are open; `kinds` names them in errors. */
export function createOpenStreams(
  limits: Config['http']['streams'],
  gauge?: { set(open: number): void },
  kinds = 'event streams, sockets, downloads and waiting requests',
): OpenStreams {
  const refusal = (isOfKey: boolean) => {
    const [who, limit] = isOfKey ? ['API key', limits.mostOfKey] : ['process', limits.most];
    const detail = `This ${who} has ${limit} ${kinds} open, which is the most. Try again when one has ended.`;
    const code = isOfKey ? 'too_many_streams' : 'overloaded';
    return new FleetError(code, detail, { retryAfterSeconds: STREAM_RETRY_SECONDS });
  };
  return createQuota({ ...limits, refusal, changed: (open) => gauge?.set(open) });
}

/**
 * What requests by signed links of a key count as: visitors with a link must not keep the key from its own files and streams.
 */
export function linksOf(key: string): string {
  return `links of ${key}`;
}

/**
 * Counts a stream of the key until the signal aborts. Throws `too_many_streams` when the key has too many, and `overloaded` when
 * all keys together have too many and this key has used its reserved ones.
 */
export function openUntil(signal: AbortSignal, streams: OpenStreams, key: string): void {
  // Without API keys, all requests have the same caller, so the limits per key do not apply.
  streams(key === ANONYMOUS ? undefined : key, 1, signal);
}
