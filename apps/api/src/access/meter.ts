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

/** The count of one request. */
export interface Tally {
  /** Counts the request unless that is done. Never rejects: while Redis is away nothing is counted, and little is served. */
  read(): Promise<Reading>;
  /** For an order that counts the request with what it makes; undefined when there is no limit, or it is known to be passed. */
  within(): OrderTally | undefined;
}

/** The count of a request that its order makes: of so many in a minute, and then noted here. */
export interface OrderTally {
  readonly most: number;
  note(count: RequestCount | undefined): void;
}

export type Meter = (caller: Caller | undefined) => Tally;

const UNLIMITED: Reading = { headers: {}, refusal: undefined };
const NOTHING_TO_COUNT: Tally = { read: () => Promise.resolve(UNLIMITED), within: () => undefined };

/** Counts callers' requests. */
export function createMeter(accounts: Pick<Ledger['accounts'], 'count'>, log: Logger): Meter {
  /** Callers known to have sent too many, until when in ms. */
  const over = new Map<string, number>();

  const readingOf = (caller: string, most: number, { requests, resetMs }: RequestCount): Reading => {
    const seconds = Math.max(1, Math.ceil(resetMs / 1000));
    const headers = {
      'RateLimit-Policy': `"requests";q=${most};w=60`,
      RateLimit: `"requests";r=${Math.max(0, most - requests)};t=${seconds}`,
    };
    if (requests <= most) return { headers, refusal: undefined };
    over.set(caller, performance.now() + resetMs);
    return { headers, refusal: tooMany(most, seconds) };
  };

  return (caller) => {
    const most = caller?.limits?.requestsPerMinute;
    if (caller === undefined || most === undefined) return NOTHING_TO_COUNT;
    const { id } = caller;
    let reading: Promise<Reading> | undefined;
    const count = async (): Promise<Reading> => {
      try {
        return readingOf(id, most, await accounts.count(id));
      } catch (error) {
        log.debug('a request was not counted', { error });
        return UNLIMITED;
      }
    };
    return {
      read: () => {
        reading ??= count();
        return reading;
      },
      within: () => {
        const until = over.get(id);
        if (until !== undefined && performance.now() < until) return undefined;
        over.delete(id);
        const note = (count: RequestCount | undefined) => {
          if (count !== undefined) reading = Promise.resolve(readingOf(id, most, count));
        };
        return { most, note };
      },
    };
  };
}

function tooMany(most: number, seconds: number): FleetError {
  const detail = `This API key may send ${most} requests a minute. Try again in ${seconds} s.`;
  return new FleetError('rate_limited', detail, { retryAfterSeconds: seconds });
}
