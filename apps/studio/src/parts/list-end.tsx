import { useEffect, useRef } from 'react';

interface Pages {
  readonly hasNextPage: boolean;
  readonly isFetching: boolean;
  readonly fetchNextPage: () => unknown;
}

/**
 * The end of a list: scrolling near it loads the next page, and there is a button for it. Filtered pages may be empty; then
 * the next one is loaded too.
 */
export function ListEnd({ pages: { hasNextPage, isFetching, fetchNextPage } }: { readonly pages: Pages }) {
  const end = useRef<HTMLDivElement>(null);
  useEffect(() => {
    if (end.current === null || !hasNextPage || isFetching) return;
    const watch = new IntersectionObserver(([entry]) => entry?.isIntersecting && void fetchNextPage(), {
      rootMargin: '600px',
    });
    watch.observe(end.current);
    return () => watch.disconnect();
  }, [hasNextPage, isFetching, fetchNextPage]);
  return (
    <div ref={end} className="tiles-end">
      {hasNextPage && (
        <button type="button" disabled={isFetching} onClick={() => fetchNextPage()}>
          More
        </button>
      )}
    </div>
  );
}
