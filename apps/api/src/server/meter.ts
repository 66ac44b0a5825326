import { FleetError } from '@comfy-fleet/contracts';
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
