import { FleetError } from '@comfy-fleet/contracts';

/** Seconds of `?wait=`; undefined when it is absent. Throws validation_failed for anything but 1 to `max`. */
export function waitOfQuery(query: URLSearchParams, max: number): number | undefined {
  const values = query.getAll('wait');
  if (values.length === 0) return undefined;
  const seconds = values.length === 1 && /^\d{1,6}$/.test(values[0] ?? '') ? Number(values[0]) : 0;
  if (seconds >= 1 && seconds <= max) return seconds;
  const errors = [{ pointer: '/wait', detail: `must be a whole number of seconds from 1 to ${max}` }];
  throw new FleetError('validation_failed', 'The query has an invalid parameter.', { errors });
}

/**
 * Seconds of `Prefer: wait=N` (RFC 7240); undefined when it is absent. A preference is a wish and never an error: one
 * that cannot be read is ignored, a longer one than `max` is cut to it.
 */
export function waitOfPrefer(header: string | undefined, max: number): number | undefined {
  const wish = /(?:^|[,\s])wait\s*=\s*"?(\d+)"?\s*(?:[,;]|$)/i.exec(header ?? '')?.[1];
  const seconds = Math.min(Number(wish ?? 0), max);
  return seconds >= 1 ? seconds : undefined;
}
