import { type RefObject, useEffect, useRef, useState } from 'react';

const UNKNOWN = { width: 0, height: 0 };

/** The current size of an element in pixels; 0 until it is measured. */
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

/** Sets the title of the page. */
export function useTitle(title: string): void {
  useEffect(() => {
    document.title = `${title} · comfy-fleet studio`;
  }, [title]);
}

export const THEMES = ['system', 'light', 'dark'] as const;
export type Theme = (typeof THEMES)[number];
const NAME = 'comfy-fleet.theme';

/** The theme, stored in this browser; `system` follows the operating system. */
export function useTheme(): readonly [Theme, (theme: Theme) => void] {
  const [theme, setTheme] = useState<Theme>(() => THEMES.find((one) => one === localStorage.getItem(NAME)) ?? 'system');
  useEffect(() => {
    document.documentElement.dataset.theme = theme;
    localStorage.setItem(NAME, theme);
  }, [theme]);
  return [theme, setTheme];
}
