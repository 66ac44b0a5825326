import { type RefObject, useEffect, useRef, useState } from 'react';

const UNKNOWN = { width: 0, height: 0 };

/** An element's size in pixels, as it is now; 0 until it is known. */
export function useSize<T extends Element>(): readonly [RefObject<T | null>, typeof UNKNOWN] {
  const ref = useRef<T>(null);
  const [size, setSize] = useState(UNKNOWN);
  useEffect(() => {
    if (ref.current === null) return;
    const watch = new ResizeObserver(([entry]) => {
      const { width = 0, height = 0 } = entry?.contentRect ?? {};
      setSize({ width: Math.round(width), height: Math.round(height) });
    });
    watch.observe(ref.current);
    return () => watch.disconnect();
  }, []);
  return [ref, size];
}
