import { type FieldError, FleetError, type Problem } from '@comfy-fleet/contracts';
import { type Logger, noteProblem } from '@comfy-fleet/telemetry';
import type { Reply } from './messages.js';

/** How another API than ours, which all paths below a prefix belong to, says what is wrong. */
export interface Dialect {
  /** Without a slash at its end. */
  readonly prefix: string;
  /** The error in that API's own shape. Its headers Retry-After and WWW-Authenticate are added by who sends it. */
  problem(error: FleetError, path: string): Reply;
}

/** The dialect of a path, which is still percent-encoded; undefined: ours. As routes, prefixes match in any case. */
export function dialectOf(dialects: readonly Dialect[], path: string): Dialect | undefined {
  const lower = path.toLowerCase();
  return dialects.find(({ prefix }) => lower === prefix || lower.startsWith(`${prefix}/`));
}

/** Of one text of an answer, in characters: as long as a list of all names that there may be. */
const MOST_CHARS = 4000;
/** Of what is repeated of the request. */
const MOST_REPEATED = 1000;
/** Of all faults of fields together. */
const MOST_OF_FAULTS = 16_000;

/**
 * The one place where an error becomes an answer. What is no FleetError is a fault of ours: logged whole, answered as
 * internal_error without a word of it.
 */
export function problemReply(thrown: unknown, place: Place & { readonly log: Logger }): Reply {
  const { path, log } = place;
  const error = toFleetError(thrown);
  if (error.code === 'internal_error') log.error('a request failed inside', { path, error: thrown });
  // When it began, and ended, is said once where the queue is asked; not once for every request.
  else if (error.code === 'queue_unavailable') log.debug('a request could not be served', { path, error });
  else if (error.status >= 500) log.warn('a request could not be served', { path, error });
  return refusal(error, place);
}

/** What of a request decides how its errors are answered. */
export interface Place {
  readonly path: string;
  /** Undefined: ours. */
  readonly dialect: Dialect | undefined;
}

/** An error as the API of the path answers it, with the headers that any API has; for who must add others to it. */
export function refusal(
  error: FleetError,
  { path, dialect }: Place,
  headers: Readonly<Record<string, string>> = {},
): Reply {
  noteProblem(error);
  const reply = dialect === undefined ? problem(error, path) : dialect.problem(error, path);
  const challenge = error.code === 'unauthorized' ? { 'WWW-Authenticate': 'Bearer' } : {};
  const retryAfter = error.retryAfterSeconds === undefined ? {} : { 'Retry-After': `${error.retryAfterSeconds}` };
  return { ...reply, headers: { ...reply.headers, ...challenge, ...retryAfter, ...headers }, refused: error.code };
}

/** A problem as RFC 9457 has it. Its size is bounded, whatever the request had in it that the answer repeats. */
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

/** A text of an answer, cut if it is longer than anybody would read. */
export function bounded(text: string, most = MOST_CHARS): string {
  // By characters, not by halves of them.
  return text.length <= most ? text : `${text.slice(0, most).replace(/[\ud800-\udbff]$/, '')}…`;
}

/** The faults of fields, so many that the answer stays small whatever the request was; then one that says how many more. */
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
