import type { Fleet } from '@comfy-fleet/client';
import { useQuery } from '@tanstack/react-query';
import { type CSSProperties, useId, useRef, useState } from 'react';
import { Dialog } from '../parts/dialogs.js';
import { Fault } from '../parts/fault.js';
import { useFleet } from '../session.js';
import type { FileValue } from './fields.js';
import { useBrush } from './mask-brush.js';
import { maskedFile } from './masked-picture.js';

interface MaskDialogProps {
  /** The picture to paint over. */
  readonly picture: FileValue;
  readonly as: 'white' | 'alpha';
  readonly onDone: (file: File) => void;
  readonly onClose: () => void;
}

/** Lets the user paint a mask over the parts of a picture that should change. */
export function MaskDialog({ picture, as, onDone, onClose }: MaskDialogProps) {
  const fleet = useFleet();
  const { data: bitmap, error } = useQuery({
    queryKey: ['mask', picture.from === 'job' ? picture.name : picture.file.name, picture],
    queryFn: ({ signal }) => loadPicture(fleet, picture, signal),
    staleTime: Number.POSITIVE_INFINITY,
    gcTime: 0,
  });
  return (
    <Dialog title="Paint over what should change" onClose={onClose}>
      {error !== null && <Fault error={error} />}
      {bitmap !== undefined && <Painter bitmap={bitmap} as={as} onDone={onDone} />}
    </Dialog>
  );
}

interface PainterProps extends Pick<MaskDialogProps, 'as' | 'onDone'> {
  readonly bitmap: ImageBitmap;
}

function Painter({ bitmap, as, onDone }: PainterProps) {
  const { width, height } = bitmap;
  const id = useId();
  const canvas = useRef<HTMLCanvasElement>(null);
  const largest = Math.max(width, height);
  const [size, setSize] = useState(Math.round(largest / 12));
  const [isErasing, setErasing] = useState(false);
  const { strokes, at, undo, clear, handlers } = useBrush(canvas, { size, isErasing });
  const done = () => {
    const mask = canvas.current?.getContext('2d')?.getImageData(0, 0, width, height).data;
    if (mask !== undefined) onDone(maskedFile({ width, height, picture: pixelsOf(bitmap), mask }, as, 'mask.png'));
  };
  return (
    <>
      <div className="painter">
        <Shown bitmap={bitmap} />
        {/* biome-ignore lint/a11y/noInteractiveElementToNoninteractiveRole: the canvas handles its own keys */}
        <canvas
          ref={canvas}
          width={width}
          height={height}
          className="painter-mask"
          role="application"
          aria-label="Painted mask"
          aria-describedby={`${id}-keys`}
          tabIndex={0}
          {...handlers}
        />
        {at !== undefined && (
          <span
            className="painter-brush"
            style={
              {
                '--x': `${(at.x / width) * 100}%`,
                '--y': `${(at.y / height) * 100}%`,
                '--size': `${(size / width) * 100}%`,
              } as CSSProperties
            }
          />
        )}
      </div>
      <p className="hint" id={`${id}-keys`}>
        Keyboard: arrows move the brush, Space paints, Shift with an arrow draws a line.
      </p>
      <div className="painter-tools">
        <label className="painter-size">
          <span>Brush</span>
          <input
            type="range"
            min={Math.max(1, Math.round(largest / 200))}
            max={Math.round(largest / 3)}
            value={size}
            onChange={({ target }) => setSize(Number(target.value))}
          />
        </label>
        <button type="button" aria-pressed={isErasing} onClick={() => setErasing(!isErasing)}>
          Erase
        </button>
        <button type="button" disabled={strokes.length === 0} onClick={undo}>
          Undo
        </button>
        <button type="button" disabled={strokes.length === 0} onClick={clear}>
          Clear
        </button>
        <button type="button" className="primary" disabled={strokes.length === 0} onClick={done}>
          Use this mask
        </button>
      </div>
    </>
  );
}

function Shown({ bitmap }: { readonly bitmap: ImageBitmap }) {
  const draw = (canvas: HTMLCanvasElement | null) => canvas?.getContext('2d')?.drawImage(bitmap, 0, 0);
  return <canvas ref={draw} width={bitmap.width} height={bitmap.height} />;
}

function pixelsOf(bitmap: ImageBitmap): Uint8ClampedArray {
  const pen = new OffscreenCanvas(bitmap.width, bitmap.height).getContext('2d');
  if (pen === null) throw new Error('This browser cannot draw pictures.');
  pen.drawImage(bitmap, 0, 0);
  return pen.getImageData(0, 0, bitmap.width, bitmap.height).data;
}

/** Loads the picture at full size and upright. Rejects if it was deleted or is not a picture. */
export async function loadPicture(fleet: Fleet, value: FileValue, signal: AbortSignal): Promise<ImageBitmap> {
  const blob = value.from === 'disk' ? value.file : await outputOf(fleet, value, signal);
  return createImageBitmap(blob).catch((cause: unknown) => {
    throw new Error('This picture cannot be shown here: choose another one.', { cause });
  });
}

async function outputOf(fleet: Fleet, { job, index }: FileValue & { from: 'job' }, signal: AbortSignal): Promise<Blob> {
  const { outputs } = await fleet.jobs.get(job, { signal });
  const output = outputs[index];
  if (output === undefined) throw new Error('The job of this picture was deleted: choose another picture.');
  return output.download({ signal });
}
