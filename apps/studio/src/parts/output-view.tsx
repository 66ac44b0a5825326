import type { Output } from '@comfy-fleet/client';
import { ModelOutput } from '../model/model-output.js';
import { TextOutput } from './text-output.js';

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
