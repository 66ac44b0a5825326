import type { Output } from '@comfy-fleet/client';
import { Suspense, useState } from 'react';
import { later } from '../shell/later.js';

const ModelView = later(async () => (await import('./model-view.js')).ModelView);

/** A 3D model, shown when somebody wants it: what draws it is large, and browsers draw few at a time. */
export function ModelOutput({ output, alt }: { readonly output: Output; readonly alt: string }) {
  const [isShown, setShown] = useState(false);
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
      <span className="hint">{(output.bytes / 1e6).toFixed(1)} MB</span>
    </div>
  );
}
