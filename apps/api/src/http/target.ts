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
