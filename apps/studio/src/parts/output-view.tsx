import type { Output } from '@comfy-fleet/client';
import { useQuery } from '@tanstack/react-query';
import { Suspense, useState } from 'react';
import { Fault } from './fault.js';
import { bytes } from './format.js';
import { later } from './later.js';

interface OutputViewProps {
  readonly output: Output;
  readonly alt: string;
  /** Of the picture that is loaded, in pixels: one of those that the API makes. */
  readonly width: number;
  /** A picture was drawn, or cannot be. */
  readonly onShown?: () => void;
}

/** Of what is alone on its page. */
const LARGE = 1024;

/** A file that a job made, shown as what it is: pictures in a smaller form, videos and sounds played, texts read, models turned. */
export function OutputView({ output, alt, width, onShown }: OutputViewProps) {
  const { kind } = output;
  if (kind === 'image') {
    const src = output.link(
      output.width !== undefined && output.width <= width ? { format: 'webp' } : { width, format: 'webp' },
    );
    const whole = output.link();
    return (
      <img
        src={src}
        alt={alt}
        width={output.width}
        height={output.height}
        loading="lazy"
        decoding="async"
        onLoad={({ currentTarget }) => currentTarget.decode().then(onShown, onShown)}
        onError={({ currentTarget }) => {
          // There is no smaller form of a file over MAX_IMAGE_BYTES.
          if (currentTarget.getAttribute('src') !== whole) currentTarget.src = whole;
          else onShown?.();
        }}
      />
    );
  }
  if (kind === 'animation') return <img src={output.link()} alt={alt} loading="lazy" />;
  if (kind === 'video') {
    // biome-ignore lint/a11y/useMediaCaption: what a job made has none
    return <video src={output.link()} controls preload="metadata" aria-label={alt} />;
  }
  if (kind === 'audio') {
    // biome-ignore lint/a11y/useMediaCaption: what a job made has none
    return <audio src={output.link()} controls preload="metadata" aria-label={alt} />;
  }
  if (kind === 'text') return <TextOutput output={output} />;
  if (kind === 'model' && /\.glb$/i.test(output.filename))
    return <ModelOutput output={output} alt={alt} isAlone={width >= LARGE} />;
  return (
    <a className="file-output" href={output.link()} download>
      Download {output.filename}
    </a>
  );
}

/** More of a text than anybody reads in a page. */
const MOST_CHARS = 200_000;

/** A text that a job made; a long one does not come with its job. */
function TextOutput({ output }: { readonly output: Output }) {
  const { data: text, error } = useQuery({
    queryKey: ['text', output.sha256],
    queryFn: async ({ signal }) => (await output.download({ signal })).text(),
    enabled: output.text === undefined,
    ...(output.text === undefined ? {} : { initialData: output.text }),
    staleTime: Number.POSITIVE_INFINITY,
  });
  if (error !== null) return <Fault error={error} />;
  const isCut = text !== undefined && text.length > MOST_CHARS;
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls has to be reached by keyboard
    <pre className="text-output" aria-busy={text === undefined} tabIndex={0}>
      {isCut ? `${text.slice(0, MOST_CHARS)}…\n\nDownload it to read the rest.` : text}
    </pre>
  );
}

const ModelView = later(async () => (await import('./model-view.js')).ModelView);

interface ModelOutputProps {
  readonly output: Output;
  readonly alt: string;
  /** It is the one thing that is looked at. */
  readonly isAlone: boolean;
}

/** A 3D model; among others it is shown when somebody wants it, since browsers draw few of them at a time. */
function ModelOutput({ output, alt, isAlone }: ModelOutputProps) {
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
