import type { IncomingMessage } from 'node:http';
import { pathOfTarget } from '../../server/listen.js';
import { COMFYUI_PREFIX } from './dialect.js';

/** `/comfyui`, then perhaps a key, then perhaps `/api`, then what is asked for. */
const TARGET = new RegExp(`^${COMFYUI_PREFIX}(?:/k/([^/]+))?(?:/api(?=/|$))?(/.*)?$`, 'i');

/** As `keys create` makes them. */
const MADE_KEY = /cf_[\w-]{43}/g;

/**
 * Rewrites requests below `/comfyui`, before anything logs or counts them: `/api/x` becomes `/x`, as in ComfyUI, and a key
 * that stands in the path (`/comfyui/k/<key>/…`) or as `?token=` becomes the header X-API-Key. A key in the path counts more
 * than headers do, which some clients fill with what was meant for another server; a token where no header has a key. One
 * that stands elsewhere in a path, as people mistype addresses, is of no use there, and hidden.
 */
export function arrivingAtComfyui(request: IncomingMessage): void {
  const [path = '', ...rest] = pathOfTarget(request.url).split('?');
  // Clients join addresses with a slash too many.
  const parts = TARGET.exec(path.replace(/\/{2,}/g, '/'));
  if (parts === null) {
    const shown = withoutKeys(path);
    if (shown !== path) request.url = [shown, ...rest].join('?');
    return;
  }
  const [, key, below = '/'] = parts;
  const { query, token } = withoutToken(rest.join('?'));
  request.url = COMFYUI_PREFIX + withoutKeys(below) + (query === '' ? '' : `?${query}`);
  const { headers } = request;
  const sent = key === undefined ? (hasKey(headers) ? undefined : token) : decoded(key);
  if (sent === undefined) return;
  delete headers.authorization;
  headers['x-api-key'] = sent;
}

function withoutKeys(path: string): string {
  return path.replace(MADE_KEY, '<key>');
}

function hasKey({ authorization = '', 'x-api-key': key = '' }: IncomingMessage['headers']): boolean {
  return /^(Bearer|Basic) +\S/i.test(authorization) || key !== '';
}

/** The rest stays as it was written. */
function withoutToken(query: string): { readonly query: string; readonly token: string | undefined } {
  if (query === '') return { query, token: undefined };
  const isToken = (pair: string) => new URLSearchParams(pair).has('token');
  const pairs = query.split('&');
  const [given] = pairs.filter(isToken);
  const token = given === undefined ? '' : (new URLSearchParams(given).get('token') ?? '');
  return { query: pairs.filter((pair) => !isToken(pair)).join('&'), token: token === '' ? undefined : token };
}

function decoded(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}
