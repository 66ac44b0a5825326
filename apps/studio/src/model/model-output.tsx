import type { Output } from '@comfy-fleet/client';
import { Suspense, useState } from 'react';
import { bytes } from '../parts/amounts.js';
import { later } from '../shell/later.js';

const ModelView = later(async () => (await import('./model-view.js')).ModelView);

interface ModelOutputProps {
  readonly output: Output;
  readonly alt: string;
  /** It is the one thing that is looked at. */
  readonly isAlone: boolean;
}

/** A 3D model; among others it is shown when somebody wants it, since browsers draw few of them at a time. */
export function ModelOutput({ output, alt, isAlone }: ModelOutputProps) {
  const [isShown, setShown] = useState(isAlone);
  if (isShown) {
    return (
      <Suspense fallback={<div className="model" aria-busy="true" />}>
        <ModelView output={output} alt={alt} />
      </Suspense>
    );
  }
  return (
    <div className="model">
      <button type="button" onClick={() => setShown(true)}>
        Show the 3D model
      </button>
      <span className="hint">{bytes(output.bytes)}</span>
    </div>
  );
}
