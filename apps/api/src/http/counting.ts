import { Readable } from 'node:stream';
import { FleetError } from '@comfy-fleet/contracts';
import type { Meter, Reading } from '../access/meter.js';
import type { Leaving } from './leaving.js';
import type { Locals } from './locals.js';
import type { Reply, Route } from './messages.js';
import { readingError } from './reading-errors.js';

/** Before the body is read. Throws `rate_limited` where that is known by now. */
export async function countBefore(counted: Route['counted'], meter: Meter, locals: Locals): Promise<void> {
  const tally = meter(locals.caller);
  locals.tally = tally;
  locals.counting = counted === 'within' ? tally.within() : undefined;
  if (counted === 'beside') void tally.read();
  else if (locals.counting === undefined) refuseIfTooMany(await tally.read(), locals);
}

/**
 * While the handler works, or after it: it may have counted the request, and if it did not come to that, it is done now.
 * Throws `rate_limited`. While Redis is away that would only make the caller wait again, and a job that may be made all
 * the same is not to be refused as one too many.
 */
export async function countAfter(answer: Promise<Reply>, locals: Locals): Promise<void> {
  const isAway = locals.counting !== undefined && (await answer.then(() => false, isUnavailable));
  const reading = isAway ? undefined : await locals.tally?.read();
  if (reading?.refusal !== undefined) discard(answer, locals.gone);
  if (reading !== undefined) refuseIfTooMany(reading, locals);
}

/** What a request hears that did not get to its handler: it counts all the same. */
export async function faultOf(error: unknown, locals: Locals): Promise<unknown> {
  const reading = await locals.tally?.read();
  if (reading !== undefined) locals.limits = reading.headers;
  return reading?.refusal ?? readingError(error);
}

function refuseIfTooMany({ headers, refusal }: Reading, locals: Locals): void {
  locals.limits = headers;
  if (refusal !== undefined) throw refusal;
}

function isUnavailable(error: unknown): boolean {
  return error instanceof FleetError && error.code === 'queue_unavailable';
}

/** Nobody will read what it answers. */
function discard(answer: Promise<Reply>, gone: Leaving): void {
  gone.abort();
  answer.then(({ body }) => body instanceof Readable && body.destroy()).catch(() => {});
}
