import { FleetError } from '@comfy-fleet/contracts';

export function jobNotFound(): FleetError {
  return new FleetError(
    'job_not_found',
    'There is no job with this id, or it ended so long ago that it was forgotten.',
  );
}
