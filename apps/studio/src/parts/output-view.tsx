import type { Output } from '@comfy-fleet/client';
import { useQuery } from '@tanstack/react-query';
import { Suspense, useState } from 'react';
import { Fault } from './fault.js';
import { bytes } from './format.js';
import { lazyPart } from './lazy-part.js';

interface OutputViewProps {
  readonly output: Output;
  readonly alt: string;
  /** The width to load pictures in, in pixels; one that the API offers. */
  readonly width: number;
  /** Called when the picture is drawn or has failed. */
  readonly onShown?: () => void;
}

/** The width of an output that is the only one on its page. */
const LARGE = 1024;

/** Shows an output according to its kind: pictures scaled down, videos and sounds in a player, texts, 3D models. */
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
          // The API makes no smaller version of files over MAX_IMAGE_BYTES.
          if (currentTarget.getAttribute('src') !== whole) currentTarget.src = whole;
          else onShown?.();
        }}
      />
    );
  }
  if (kind === 'animation') return <img src={output.link()} alt={alt} loading="lazy" />;
  if (kind === 'video') {
    // biome-ignore lint/a11y/useMediaCaption: outputs of jobs have no captions
    return <video src={output.link()} controls preload="metadata" aria-label={alt} />;
  }
  if (kind === 'audio') {
    // biome-ignore lint/a11y/useMediaCaption: outputs of jobs have no captions
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

/** Longer texts are cut. */
const MOST_CHARS = 200_000;

/** A text output; long ones are not part of the job's record and are downloaded. */
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
    // biome-ignore lint/a11y/noNoninteractiveTabindex: keyboard users must be able to scroll it
    <pre className="text-output" aria-busy={text === undefined} tabIndex={0}>
      {isCut ? `${text.slice(0, MOST_CHARS)}…\n\nDownload it to read the rest.` : text}
    </pre>
  );
}

const ModelView = lazyPart(async () => (await import('./model-view.js')).ModelView);

interface ModelOutputProps {
  readonly output: Output;
  readonly alt: string;
  /** It is the only output on the page. */
  readonly isAlone: boolean;
}

/** A 3D model. In a list it is shown on request, since browsers can draw only a few at a time. */
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
