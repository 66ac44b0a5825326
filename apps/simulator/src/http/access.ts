import type { IncomingHttpHeaders } from 'node:http';
import type { ComfyVersion } from '../settings.js';

/** Whether a request has the required header, `Name: value`, as for a proxy with a login; null requires none. */
export function hasRequiredHeader(headers: IncomingHttpHeaders, required: string | null): boolean {
  if (required === null) return true;
  const colon = required.indexOf(':');
  return headers[required.slice(0, colon).trim().toLowerCase()] === required.slice(colon + 1).trim();
}

/** ComfyUI's guard against other web pages: on a loopback host the Origin must match the host, including its port. */
export function isCrossOrigin(headers: IncomingHttpHeaders, version: ComfyVersion): boolean {
  if (version === '0.33.0' && headers['sec-fetch-site'] === 'cross-site') return true;
  const { host, origin } = headers;
  if (host === undefined || origin === undefined) return false;
  const ours = URL.parse(`http://${host.toLowerCase()}`);
  const theirs = URL.parse(origin.toLowerCase());
  if (ours === null || theirs === null || !isLoopback(ours.hostname)) return false;
  const wanted = hasPort(theirs) ? host.toLowerCase() : ours.hostname;
  const given = /:\d+$/.test(host) ? netloc(origin) : theirs.hostname;
  return given !== '' && wanted !== given;
}

function netloc(origin: string): string {
  return /^[a-z][a-z0-9+.-]*:\/\/([^/?#]*)/i.exec(origin)?.[1]?.toLowerCase() ?? '';
}

function hasPort(url: URL): boolean {
  return url.port !== '' || /:\d+\/?$/.test(url.href);
}

function isLoopback(hostname: string): boolean {
  return hostname === 'localhost' || hostname === '[::1]' || /^127(\.\d{1,3}){3}$/.test(hostname);
}
