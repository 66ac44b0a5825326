import { frameName } from '@comfy-fleet/frames';
import type { FrameRecord } from '@comfy-fleet/jobs';

/** What a worker reports of a job's nth picture. */
export function finishedImage(jobId: string, n = 1): FrameRecord {
  const sha256 = `${n}`.repeat(64).slice(0, 64);
  return { name: frameName(jobId, n), width: 768, height: 480, contentType: 'image/png', bytes: 1234, sha256 };
}
