import { type ErrorCode, type FieldError, FleetError, type Problem } from '@comfy-fleet/contracts';
import { type Logger, recordProblem } from '@comfy-fleet/telemetry';
import { cut } from '@comfy-fleet/workflows';
import type { Reply } from './messages.js';

/** The error format of another API, which owns all paths below a prefix. */
export interface Dialect {
  /** Without a trailing slash. */
  readonly prefix: string;
  /** The reply, without Retry-After and WWW-Authenticate, which are added to it. */
  problem(error: FleetError, path: string): Reply;
}

/** The dialect of a path; undefined: our own API. Prefixes are case-insensitive, like routes. */
export function dialectOf(dialects: readonly Dialect[], path: string): Dialect | undefined {
  const lower = path.toLowerCase();
  return dialects.find(({ prefix }) => lower === prefix || lower.startsWith(`${prefix}/`));
}

/** Limit for the characters of one text in a response; it may list many names. */
const MOST_CHARS = 4000;
/** Limit for a path or pointer, which repeat parts of the request. */
const MOST_REPEATED = 1000;
/** Limit for all field errors together. */
const MOST_OF_FAULTS = 16_000;

/** An unavailable queue is logged once, where its connection is watched, and a key that fills its share is no fault of ours. */
const QUIET: readonly ErrorCode[] = ['queue_unavailable', 'storage_share_exceeded'];

/** The reply to an error. Anything other than a FleetError is a bug: it is logged in full and answered as internal_error. */
export function problemReply(thrown: unknown, place: Place & { readonly log: Logger }): Reply {
  const { path, log } = place;
  const error = toFleetError(thrown);
  if (error.code === 'internal_error') log.error('a request failed with an internal error', { path, error: thrown });
  else if (error.status >= 500) {
    log.log(QUIET.includes(error.code) ? 'debug' : 'warn', 'a request could not be served', { path, error });
  }
  return refusal(error, place);
}

interface Place {
  readonly path: string;
  /** The error formats of the other APIs. */
  readonly dialects: readonly Dialect[];
}

/** An error in the format of the path's API, with the headers that are the same in all APIs. */
export function refusal(
  error: FleetError,
  { path, dialects }: Place,
  headers: Readonly<Record<string, string>> = {},
): Reply {
  recordProblem(error);
  const reply = dialectOf(dialects, path)?.problem(error, path) ?? problem(error, path);
  const challenge = error.code === 'unauthorized' ? { 'WWW-Authenticate': 'Bearer' } : {};
  const retryAfter = error.retryAfterSeconds === undefined ? {} : { 'Retry-After': `${error.retryAfterSeconds}` };
  return { ...reply, headers: { ...reply.headers, ...challenge, ...retryAfter, ...headers }, refused: error.code };
}

/** A problem (RFC 9457) of bounded size, even if it repeats long parts of the request. */
export function problem(error: FleetError, path: string): Reply {
  const body: Problem = {
    type: `urn:comfy-fleet:problem:${error.code}`,
    title: error.title,
    status: error.status,
    detail: bounded(error.detail),
    instance: bounded(path, MOST_REPEATED),
    code: error.code,
    ...(error.errors.length === 0 ? {} : { errors: boundedFaults(error.errors) }),
  };
  return { status: error.status, headers: { 'Content-Type': 'application/problem+json' }, body };
}

function toFleetError(thrown: unknown): FleetError {
  if (thrown instanceof FleetError && thrown.code !== 'internal_error') return thrown;
  const detail = 'The request could not be completed because of a fault on our side. It has been logged.';
  return new FleetError('internal_error', detail, { cause: thrown });
}

/** Truncates a text without splitting a surrogate pair. */
export function bounded(text: string, most = MOST_CHARS): string {
  return cut(text, most);
}

/** As many field errors as fit into the size limit, and the number of omitted ones. */
export function boundedFaults(faults: readonly FieldError[]): FieldError[] {
  const listed: FieldError[] = [];
  let chars = 0;
  for (const { pointer, detail } of faults) {
    const fault = { pointer: bounded(pointer, MOST_REPEATED), detail: bounded(detail) };
    chars += fault.pointer.length + fault.detail.length;
    if (chars > MOST_OF_FAULTS) {
      return [...listed, { pointer: '', detail: `and ${faults.length - listed.length} more` }];
    }
    listed.push(fault);
  }
  return listed;
}
