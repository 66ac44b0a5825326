import { FleetError, type Problem } from '@comfy-fleet/contracts';
import { type Logger, noteProblem } from '@comfy-fleet/telemetry';
import { bounded, boundedFaults, boundedPath } from './bounded-problem.js';
import type { Reply } from './messages.js';

/**
 * The one place where an error becomes an answer. What is no FleetError is a fault of ours: logged whole, answered as
 * internal_error without a word of it.
 */
export function problemReply(thrown: unknown, path: string, log: Logger): Reply {
  const error = toFleetError(thrown);
  if (error.code === 'internal_error') log.error('a request failed inside', { path, error: thrown });
  // When it began, and ended, is said once where the queue is asked; not once for every request.
  else if (error.code === 'queue_unavailable') log.debug('a request could not be served', { path, error });
  else if (error.status >= 500) log.warn('a request could not be served', { path, error });
  return problem(error, path);
}

export const PROBLEM_TYPE = 'application/problem+json';

/**
 * A problem as RFC 9457 has it; for handlers that must add headers to it. Its size is bounded, whatever the request had in
 * it that the answer repeats.
 */
export function problem(error: FleetError, path: string, headers: Readonly<Record<string, string>> = {}): Reply {
  noteProblem(error);
  const body: Problem = {
    type: `urn:comfy-fleet:problem:${error.code}`,
    title: error.title,
    status: error.status,
    detail: bounded(error.detail),
    instance: boundedPath(path),
    code: error.code,
    ...(error.errors.length === 0 ? {} : { errors: boundedFaults(error.errors) }),
  };
  const challenge = error.code === 'unauthorized' ? { 'WWW-Authenticate': 'Bearer' } : {};
  const retryAfter = error.retryAfterSeconds === undefined ? {} : { 'Retry-After': `${error.retryAfterSeconds}` };
  return {
    status: error.status,
    headers: { 'Content-Type': PROBLEM_TYPE, ...challenge, ...retryAfter, ...headers },
    body,
  };
}

function toFleetError(thrown: unknown): FleetError {
  if (thrown instanceof FleetError && thrown.code !== 'internal_error') return thrown;
  const detail = 'The request could not be completed because of a fault on our side. It has been logged.';
  return new FleetError('internal_error', detail, { cause: thrown });
}
