import type { Output } from '@comfy-fleet/client';
import { useEffect, useRef, useState } from 'react';
import { Fault } from '../parts/fault.js';
import '../styles/model.css';
import { showModel, type TurnedModel } from './show-model.js';

/** A 3D model that is turned by pointer or arrows, and by itself until then. */
export function ModelView({ output, alt }: { readonly output: Output; readonly alt: string }) {
  const canvas = useRef<HTMLCanvasElement>(null);
  const [error, setError] = useState<Error>();
  const [isReady, setReady] = useState(false);
  const { url } = output;
  // biome-ignore lint/correctness/useExhaustiveDependencies: of the same file there is another object with each snapshot
  useEffect(() => {
    const leaving = new AbortController();
    let model: TurnedModel | undefined;
    const show = async () => {
      const data = await (await output.download({ signal: leaving.signal })).arrayBuffer();
      if (canvas.current === null || leaving.signal.aborted) return;
      model = await showModel(canvas.current, data);
      if (leaving.signal.aborted) model.close();
      else setReady(true);
    };
    show().catch((cause: unknown) => {
      if (!leaving.signal.aborted) setError(cause instanceof Error ? cause : new Error(String(cause)));
    });
    return () => {
      leaving.abort();
      model?.close();
    };
  }, [url]);
  if (error !== undefined) {
    return (
      <div className="model">
        <Fault error={error} />
        <a href={output.link()} download>
          Download {output.filename}
        </a>
      </div>
    );
  }
  return (
    <canvas
      ref={canvas}
      className="model-canvas"
      data-ready={isReady}
      aria-label={`${alt}: 3D model. Drag it or press the arrows to turn it, scroll or press + and − to zoom.`}
      role="img"
      aria-busy={!isReady}
      tabIndex={0}
    />
  );
}
