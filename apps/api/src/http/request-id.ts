import { randomUUID } from 'node:crypto';

/** What proxies and clients write there: a UUID mostly. Nothing that could make a mess of a log. */
const SANE = /^[A-Za-z0-9._~:/+=@-]{1,128}$/;

/** The name of a request in the log and in its answer: the caller's own, if it has a sane one, else a new one. */
export function requestId(given: string | string[] | undefined): string {
  return typeof given === 'string' && SANE.test(given) ? given : randomUUID();
}
