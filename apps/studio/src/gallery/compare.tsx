import type { Job, Output } from '@comfy-fleet/client';
import { type CSSProperties, useEffect, useId, useRef, useState } from 'react';
import { LOD_NAMES } from '../jobs/words.js';
import { useFleet } from '../session.js';

interface CompareProps {
  readonly before: Job;
  readonly after: Job;
  /** Which output of `after`. */
  readonly index: number;
  readonly onEnd: () => void;
}

/** Compares two pictures with a movable edge between them. */
export function Compare({ before, after, index, onEnd }: CompareProps) {
  const fleet = useFleet();
  const id = useId();
  const [share, setShare] = useState(50);
  const place = useRef<HTMLDivElement>(null);
  useEffect(() => {
    place.current?.scrollIntoView({ block: 'nearest' });
  }, []);
  const left = pictureOf(fleet.jobs.from(before).outputs, 0);
  const right = pictureOf(fleet.jobs.from(after).outputs, index);
  if (left === undefined || right === undefined) return null;
  const [leftName, rightName] = [before, after].map(({ lod }) => (lod === null ? 'As saved' : LOD_NAMES[lod]));
  return (
    <div className="compare" ref={place}>
      <div className="card compare-pictures" style={{ '--share': `${share}%` } as CSSProperties}>
        <img src={sourceOf(right)} alt={`After: ${rightName}`} width={right.width} height={right.height} />
        <img className="compare-left" src={sourceOf(left)} alt={`Before: ${leftName}`} />
        <span className="compare-edge" />
      </div>
      <label htmlFor={id} className="compare-label">
        <span>{leftName}</span>
        <input
          id={id}
          type="range"
          min={0}
          max={100}
          value={share}
          aria-label={`How much of ${leftName} is shown`}
          onChange={(event) => setShare(Number(event.target.value))}
        />
        <span>{rightName}</span>
      </label>
      <button type="button" onClick={onEnd}>
        Stop comparing
      </button>
    </div>
  );
}

function pictureOf(outputs: readonly Output[], index: number): Output | undefined {
  const chosen = outputs[index];
  return chosen?.kind === 'image' ? chosen : outputs.find(({ kind }) => kind === 'image');
}

function sourceOf(output: Output): string {
  return output.link({ width: 1024, format: 'webp' });
}
