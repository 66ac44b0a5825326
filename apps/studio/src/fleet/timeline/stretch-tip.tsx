import type { CSSProperties } from 'react';
import { Swatch } from '../../charts/swatch.js';
import { clock } from '../words.js';
import { OTHER } from './paints.js';
import { OUTCOME_WORDS, timeOf, whatOf } from './stretch-words.js';
import { type Bar, workflowOf } from './stretches.js';

interface StretchTipProps {
  readonly bar: Bar;
  /** Of the lane, in pixels. */
  readonly width: number;
  readonly paints: ReadonlyMap<string, number>;
  readonly mayOpen: boolean;
}

/** Beside the bar that is pointed at. */
export function StretchTip({ bar: { stretch, x, width: wide }, width, paints, mayOpen }: StretchTipProps) {
  const centre = Math.max(0, Math.min(width, x + wide / 2));
  const isLeft = centre < width / 2;
  const style = { '--at': `${isLeft ? centre : width - centre}px` } as CSSProperties;
  return (
    <div className="card tip" data-side={isLeft ? 'left' : 'right'} style={style} aria-hidden="true">
      <p className="tip-title">
        <Swatch paint={paints.get(workflowOf(stretch)) ?? OTHER} /> {whatOf(stretch)}
      </p>
      <p>{timeOf(stretch)}</p>
      <p>
        {clock(stretch.from)} to {stretch.outcome === 'running' ? 'now' : clock(stretch.to)},{' '}
        {OUTCOME_WORDS[stretch.outcome]}
      </p>
      {stretch.key !== null && <p>key {stretch.key}</p>}
      {stretch.job_id !== null && <p className="tip-id">{stretch.job_id}</p>}
      <p className="hint">{hintOf(stretch.job_id, mayOpen)}</p>
    </div>
  );
}

function hintOf(job: string | null, mayOpen: boolean): string {
  if (job === null) return 'Choose a shorter time to see each job.';
  return mayOpen ? 'Click, tap again or press Enter to open the job.' : 'Only its own key can open this job.';
}
