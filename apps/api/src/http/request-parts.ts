import type { Request } from 'express';

/**
 * The path and query that a request asks for. Proxies write the whole URL there (RFC 9112, 3.2.2), which Express's
 * router does not always understand; what is neither is made a path that no route has.
 */
export function pathOfTarget(target = '/'): string {
  if (target.startsWith('/')) return target;
  if (!/^https?:/i.test(target) || !URL.canParse(target)) return `/${target}`;
  const { pathname, search } = new URL(target);
  return pathname + search;
}

export function queryOf(request: Request): URLSearchParams {
  return new URLSearchParams(request.originalUrl.split('?').slice(1).join('?'));
}

/** Without the query, still percent-encoded. */
export function pathOf(request: Request): string {
  return request.originalUrl.split('?', 1)[0] ?? '';
}
