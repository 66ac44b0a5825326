import type { JobRecord } from '@comfy-fleet/jobs';
import type { Subject } from './scope.js';

/** A job by what an instance may be unable to do of it. */
export function subjectOf({ id, key, request }: JobRecord): Subject {
  return { job: id, key, workflow: request.workflow, checkpoint: request.checkpoint };
}
