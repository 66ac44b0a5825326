/** A page of names that are sorted, from after the name `cursor` on. */
export function pageOf<T>(
  sorted: readonly T[],
  nameOf: (one: T) => string,
  { cursor, limit }: { readonly cursor: string | undefined; readonly limit: number },
): { readonly page: readonly T[]; readonly has_more: boolean; readonly next_cursor: string | null } {
  const start = cursor === undefined ? 0 : sorted.findIndex((one) => nameOf(one) > cursor);
  const page = start < 0 ? [] : sorted.slice(start, start + limit);
  const last = page.at(-1);
  const has_more = start >= 0 && start + limit < sorted.length;
  return { page, has_more, next_cursor: has_more && last !== undefined ? nameOf(last) : null };
}
