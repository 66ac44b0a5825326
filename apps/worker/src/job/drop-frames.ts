import { FRAME_TYPES, type FrameType, frameName } from '@comfy-fleet/frames';
import type { Tools } from '../tools.js';
import type { HeldJob } from './held-job.js';

/**
 * Deletes what this claim or an earlier one may have stored: the ledger says that the job has no pictures (of theirs).
 */
export async function dropLeftFrames(
  job: HeldJob,
  { frames, workflows }: Pick<Tools, 'frames' | 'workflows'>,
): Promise<void> {
  if (!job.mayHaveStored) return;
  const { id, request } = job.record;
  const outputs = workflows.templates.get(request.workflow)?.bindings.prefixes.length ?? 1;
  try {
    for (let n = 1; n <= request.count * outputs; n++) {
      for (const type of Object.keys(FRAME_TYPES) as FrameType[]) await frames.delete(frameName(id, n, type));
    }
  } catch (error) {
    job.log.warn('pictures that nobody wants could not be deleted', { error });
  }
}
