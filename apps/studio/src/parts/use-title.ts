import { useEffect } from 'react';

/** The title of the page, as tabs and screen readers tell it. */
export function useTitle(title: string): void {
  useEffect(() => {
    document.title = `${title} · comfy-fleet studio`;
  }, [title]);
}
