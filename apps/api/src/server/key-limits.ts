import { ANONYMOUS, FleetError } from '@comfy-fleet/contracts';
import type { Ledger, RequestCount } from '@comfy-fleet/jobs';
import type { Logger } from '@comfy-fleet/telemetry';
import type { Caller } from './caller.js';

/** What the count of a request says. */
export interface Reading {
  /** The RateLimit header fields (draft-ietf-httpapi-ratelimit-headers-10); none for callers without limits. */
  readonly headers: Readonly<Record<string, string>>;
  /** `rate_limited` when this request was one too many. */
  readonly refusal: FleetError | undefined;
}

/** Counts a request of the caller. Never rejects: while Redis is away nothing is counted, and little is served. */
export type Meter = (caller: Caller | undefined) => Promise<Reading>;

export function createMeter(accounts: Pick<Ledger['accounts'], 'count'>, log: Logger): Meter {
  return async (caller) => {
    const most = caller?.limits?.requestsPerMinute;
    if (caller === undefined || most === undefined) return UNLIMITED;
    try {
      return readingOf(most, await accounts.count(caller.id));
    } catch (error) {
      log.debug('a request was not counted', { error });
      return UNLIMITED;
    }
  };
}

const UNLIMITED: Reading = { headers: {}, refusal: undefined };

function readingOf(most: number, { requests, resetMs }: RequestCount): Reading {
  const seconds = Math.max(1, Math.ceil(resetMs / 1000));
  const headers = {
    'RateLimit-Policy': `"requests";q=${most};w=60`,
    RateLimit: `"requests";r=${Math.max(0, most - requests)};t=${seconds}`,
  };
  return { headers, refusal: requests <= most ? undefined : tooMany(most, seconds) };
}

function tooMany(most: number, seconds: number): FleetError {
  const detail = `This API key may send ${most} requests a minute. Try again in ${seconds} s.`;
  return new FleetError('rate_limited', detail, { retryAfterSeconds: seconds });
}

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

const RETRY_AFTER_SECONDS = 5;

/** The event streams and sockets that one process has open. */
export interface OpenStreams {
  /**
   * Counts one more of a key until the returned function is called, once. Throws `too_many_streams` when the key has as many
   * as it may, and `overloaded` when all keys together do and this one has used up what is reserved for it.
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
  const refusal = (key: string): FleetError | undefined => {
    const own = ofKeys.get(key) ?? 0;
    // Without API keys all callers are one: there is nothing to share.
    const isShared = key !== ANONYMOUS;
    if (isShared && own >= mostOfKey) {
      const detail = `This API key has ${mostOfKey} event streams and sockets open, which is the most. Poll meanwhile.`;
      return new FleetError('too_many_streams', detail, { retryAfterSeconds: RETRY_AFTER_SECONDS });
    }
    if (all < most || (isShared && own < reservedForKey)) return undefined;
    const detail = `This process has ${most} event streams and sockets open, which is the most. Poll meanwhile.`;
    return new FleetError('overloaded', detail, { retryAfterSeconds: RETRY_AFTER_SECONDS });
  };
  return {
    open: (key) => {
      const refused = refusal(key);
      if (refused !== undefined) throw refused;
      all += 1;
      ofKeys.set(key, (ofKeys.get(key) ?? 0) + 1);
      gauge.inc();
      return () => {
        all -= 1;
        const left = (ofKeys.get(key) ?? 0) - 1;
        if (left > 0) ofKeys.set(key, left);
        else ofKeys.delete(key);
        gauge.dec();
      };
    },
  };
}

/** Counts one more of a key until the signal aborts. Throws as `open` does, and the signal's reason. */
export function openUntil(signal: AbortSignal, streams: OpenStreams, key: string): void {
  signal.throwIfAborted();
  signal.addEventListener('abort', streams.open(key), { once: true });
}
