import type { ReactNode } from 'react';

/** The end of `paint-…` and `texture-…` in styles/fleet.css: a number of paintsOf, or what has a colour of its own. */
export type Paint = number | 'good' | 'bad' | 'off' | 'waiting' | 'running' | 'bound';

export function Swatch({ paint }: { readonly paint: Paint }) {
  return (
    <Sample>
      <path className={`paint-${paint}`} d="M0 1h22v12h-22z" />
      <path className={`texture-${paint}`} d="M0 1h22v12h-22z" />
    </Sample>
  );
}

/** A sample of what stands in a picture. */
export function Sample({ children }: { readonly children: ReactNode }) {
  return (
    <svg className="swatch" aria-hidden="true" width="22" height="14" viewBox="0 0 22 14">
      {children}
    </svg>
  );
}
