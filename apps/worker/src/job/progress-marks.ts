import type { Progress } from '@comfy-fleet/jobs';
import { noteEvent } from '@comfy-fleet/telemetry';

const MARKS = 4;

/** Notes in the trace when a quarter of the work is done, and the next: all steps would be too many. */
export function progressMarks(): (progress: Progress) => void {
  let passed = 0;
  return ({ fraction, node, step }) => {
    const mark = Math.floor(fraction * MARKS);
    if (mark <= passed) return;
    passed = mark;
    noteEvent('progress', { fraction, ...(node === null ? {} : { node }), ...(step === null ? {} : { step }) });
  };
}
