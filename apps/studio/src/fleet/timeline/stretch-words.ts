import { LOD_NAMES } from '../../jobs/words.js';
import { clock, count, duration } from '../words.js';
import { type Stretch, secondsOf, workflowOf } from './stretches.js';

export const OUTCOME_WORDS: Readonly<Record<Stretch['outcome'], string>> = {
  completed: 'completed',
  failed: 'failed',
  canceled: 'canceled',
  running: 'running now',
  stopped: 'stopped, and ran again elsewhere',
};

/** `text2img, Sketch`, with how many jobs where it stands for several. */
export function whatOf(stretch: Pick<Stretch, 'workflow' | 'lod' | 'jobs'>): string {
  const level = stretch.lod === null ? '' : `, ${LOD_NAMES[stretch.lod]}`;
  return `${stretch.jobs > 1 ? `${count(stretch.jobs, 'job')} of ` : ''}${workflowOf(stretch)}${level}`;
}

/** `12 s, of these 4.1 s loading models` */
export function timeOf(stretch: Pick<Stretch, 'from' | 'to' | 'loading_seconds'>): string {
  const loading = stretch.loading_seconds;
  return `${duration(secondsOf(stretch))}${loading > 0 ? `, of these ${duration(loading)} loading models` : ''}`;
}

/** A stretch in one sentence, for those who hear it. */
export function textOf(stretch: Stretch): string {
  const who = stretch.key === null ? '' : `, key ${stretch.key}`;
  return `${whatOf(stretch)}${who}, ${timeOf(stretch)}, ${OUTCOME_WORDS[stretch.outcome]}, from ${clock(stretch.from)}`;
}
