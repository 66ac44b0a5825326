import type { IncomingMessage } from 'node:http';
import { pathOfTarget } from '../../server/listen.js';
import { COMFYUI_PREFIX } from './dialect.js';

/** `/comfyui`, then perhaps a key, then perhaps `/api`, then the rest. */
const TARGET = new RegExp(`^${COMFYUI_PREFIX}(?:/k/([^/]+))?(?:/api(?=/|$))?(/.*)?$`, 'i');

/** The format of keys from `keys create`. */
const MADE_KEY = /cf_[\w-]{43}/g;

/**
 * Rewrites requests below `/comfyui` before anything logs or counts them: `/api/x` becomes `/x`, as in ComfyUI, and a key
 * in the path (`/comfyui/k/<key>/…`) or in `?token=` becomes the header X-API-Key. A key in the path overrides keys in
 * headers, because some clients send the same headers to every server; a token counts only if no header has a key. A key
 * elsewhere in a path is a mistake of the client, and is masked.
 */
export function arrivingAtComfyui(request: IncomingMessage): void {
  const [path = '', ...rest] = pathOfTarget(request.url).split('?');
  // Some clients join URLs with two slashes.
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
  const { authorization = '', 'x-api-key': sentKey = '' } = headers;
  const hasKey = sentKey !== '' || /^(Bearer|Basic) +\S/i.test(authorization);
  const sent = key === undefined ? (hasKey ? undefined : token) : decoded(key);
  if (sent === undefined) return;
  delete headers.authorization;
  headers['x-api-key'] = sent;
}

function withoutKeys(path: string): string {
  return path.replace(MADE_KEY, '<key>');
}

/** Removes the token from a query without re-encoding the rest. */
function withoutToken(query: string) {
  const isToken = (pair: string) => new URLSearchParams(pair).has('token');
  const pairs = query.split('&');
  const token = new URLSearchParams(pairs.find(isToken)).get('token') || undefined;
  return { query: pairs.filter((pair) => !isToken(pair)).join('&'), token };
}

function decoded(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}
