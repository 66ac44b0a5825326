import { FleetError } from '@comfy-fleet/contracts';

const NOTHING_LOST = 'The job queue cannot be reached at the moment. Nothing was lost; try again shortly.';

/** Turns whatever Redis or its client throws into the one error that callers may see. */
export async function orUnavailable<T>(action: () => Promise<T>, detail = NOTHING_LOST): Promise<T> {
  try {
    return await action();
  } catch (cause) {
    if (cause instanceof FleetError) throw cause;
    throw new FleetError('queue_unavailable', detail, { retryAfterSeconds: 1, cause });
  }
}
