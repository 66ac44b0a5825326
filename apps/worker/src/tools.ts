import type { FrameStore } from '@comfy-fleet/frames';
import type { Workflows } from '@comfy-fleet/workflows';

/** What running a job needs besides the job. */
export interface Tools {
  readonly workflows: Workflows;
  readonly frames: FrameStore;
  readonly inputs: FrameStore;
  readonly pollMs: number;
  readonly maxAttempts: number;
}
