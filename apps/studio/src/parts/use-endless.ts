import { type RefObject, useEffect, useRef } from 'react';

interface Pages {
  readonly hasNextPage: boolean;
  readonly isFetching: boolean;
  readonly fetchNextPage: () => unknown;
}

/** For what stands at the end of a list: whoever comes near it is shown more. With a filter a page may be empty, and then the next one is asked for. */
export function useEndless({ hasNextPage, isFetching, fetchNextPage }: Pages): RefObject<HTMLDivElement | null> {
  const end = useRef<HTMLDivElement>(null);
  useEffect(() => {
    if (end.current === null || !hasNextPage || isFetching) return;
    const watch = new IntersectionObserver(([entry]) => entry?.isIntersecting && void fetchNextPage(), {
      rootMargin: '600px',
    });
    watch.observe(end.current);
    return () => watch.disconnect();
  }, [hasNextPage, isFetching, fetchNextPage]);
  return end;
}
