import type { IncomingHttpHeaders } from 'node:http';

/** Whether a request has the header that is required, written `Name: value`; null: none is. As a proxy with a login in front. */
export function isLetIn(headers: IncomingHttpHeaders, required: string | null): boolean {
  if (required === null) return true;
  const colon = required.indexOf(':');
  return headers[required.slice(0, colon).trim().toLowerCase()] === required.slice(colon + 1).trim();
}
