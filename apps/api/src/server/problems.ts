import { type FieldError, FleetError, type Problem } from '@comfy-fleet/contracts';
import { type Logger, recordProblem } from '@comfy-fleet/telemetry';
import { cut } from '@comfy-fleet/workflows';
import type { Reply } from './messages.js';

/** How another API, to which all paths below a prefix belong, answers errors. */
export interface Dialect {
  /** Without a slash at its end. */
  readonly prefix: string;
  /** Without the headers Retry-After and WWW-Authenticate. */
  problem(error: FleetError, path: string): Reply;
}

/** The dialect of a path; undefined: ours. Prefixes match in any case, as routes do. */
export function dialectOf(dialects: readonly Dialect[], path: string): Dialect | undefined {
  const lower = path.toLowerCase();
  return dialects.find(({ prefix }) => lower === prefix || lower.startsWith(`${prefix}/`));
}

/** Characters of one text of an answer, which may list many names. */
const MOST_CHARS = 4000;
/** Of a path or pointer, which repeat the request. */
const MOST_REPEATED = 1000;
/** Of all faults of fields together. */
const MOST_OF_FAULTS = 16_000;

/** The answer to an error. One that is no FleetError is a fault of ours: logged whole, answered as internal_error. */
export function problemReply(thrown: unknown, place: Place & { readonly log: Logger }): Reply {
  const { path, log } = place;
  const error = toFleetError(thrown);
  if (error.code === 'internal_error') log.error('a request failed inside', { path, error: thrown });
  // That the queue is away is logged once, where it is asked.
  else if (error.code === 'queue_unavailable') log.debug('a request could not be served', { path, error });
  else if (error.status >= 500) log.warn('a request could not be served', { path, error });
  return refusal(error, place);
}

interface Place {
  readonly path: string;
  /** Of the APIs that are served beside ours. */
  readonly dialects: readonly Dialect[];
}

/** An error as the API of the path answers it, with the headers that all APIs have. */
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

/** A problem (RFC 9457). Its size is bounded, whatever parts of the request it repeats. */
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

/** Cuts a text, but no surrogate pair. */
export function bounded(text: string, most = MOST_CHARS): string {
  return cut(text, most);
}

/** As many faults as fit in a small answer, and how many more there are. */
export function boundedFaults(faults: readonly FieldError[]): FieldError[] {
  const told: FieldError[] = [];
  let chars = 0;
  for (const { pointer, detail } of faults) {
    const fault = { pointer: bounded(pointer, MOST_REPEATED), detail: bounded(detail) };
    chars += fault.pointer.length + fault.detail.length;
    if (chars > MOST_OF_FAULTS) {
      return [...told, { pointer: '', detail: `and ${faults.length - told.length} more` }];
    }
    told.push(fault);
  }
  return told;
}
