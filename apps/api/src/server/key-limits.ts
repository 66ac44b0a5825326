import { ANONYMOUS, FleetError } from '@comfy-fleet/contracts';
import type { Ledger } from '@comfy-fleet/jobs';
import type { Logger } from '@comfy-fleet/telemetry';
import type { Caller } from './gate.js';

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
    const most = caller?.limits?.requestsPerMinute;
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

/** The event streams, sockets, downloads and waiting requests that one process has open. */
export interface OpenStreams {
  /**
   * Counts a stream of the key until the returned function is called, once. Throws `too_many_streams` when the key has too
   * many, and `overloaded` when all keys together have too many and this key has used its reserved ones.
   */
  open(key: string): () => void;
}

export interface StreamLimits {
  readonly most: number;
  readonly mostOfKey: number;
  /** Streams that a key may open even while other keys have used up the rest. */
  readonly reservedForKey: number;
}

/** `gauge` shows how many are open. */
export function createOpenStreams(
  { most, mostOfKey, reservedForKey }: StreamLimits,
  gauge: { inc(): void; dec(): void },
): OpenStreams {
  const ofKeys = new Map<string, number>();
  let all = 0;
  const count = (key: string, one: 1 | -1) => {
    all += one;
    const own = (ofKeys.get(key) ?? 0) + one;
    if (own > 0) ofKeys.set(key, own);
    else ofKeys.delete(key);
  };
  return {
    open: (key) => {
      const own = ofKeys.get(key) ?? 0;
      // Without API keys, all requests have the same caller, so the limits per key do not apply.
      const isShared = key !== ANONYMOUS;
      const isTooMany = isShared && own >= mostOfKey;
      if (isTooMany || (all >= most && !(isShared && own < reservedForKey))) {
        const [who, limit] = isTooMany ? ['API key', mostOfKey] : ['process', most];
        const detail = `This ${who} has ${limit} event streams, sockets, downloads and waiting requests open, which is the most. Try again when one has ended.`;
        const code = isTooMany ? 'too_many_streams' : 'overloaded';
        throw new FleetError(code, detail, { retryAfterSeconds: STREAM_RETRY_SECONDS });
      }
      count(key, 1);
      gauge.inc();
      return () => {
        count(key, -1);
        gauge.dec();
      };
    },
  };
}

/** Counts a stream of the key until the signal aborts. Throws like `open`, and the signal's reason. */
export function openUntil(signal: AbortSignal, streams: OpenStreams, key: string): void {
  signal.throwIfAborted();
  signal.addEventListener('abort', streams.open(key), { once: true });
}
