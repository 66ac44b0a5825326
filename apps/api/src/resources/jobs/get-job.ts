import { FleetError } from '@comfy-fleet/contracts';
import type { Deps } from '../../deps.js';
import { ownJob } from '../../files/own-job.js';
import { presentSnapshot } from '../../orders/present-snapshot.js';
import { waitForJob } from '../../orders/wait-for-job.js';
import type { Handler } from '../../server/messages.js';

export function getJob(deps: Deps): Handler {
  return async (request) => {
    const { query, caller } = request;
    const seconds = waitOfQuery(query, deps.config.http.maxWaitSeconds);
    const now = await ownJob(deps, request.params.id, caller);
    const ended = seconds === undefined || now.record.finishedAt !== null;
    const snapshot = ended ? now : ((await waitForJob(deps, now.record.id, seconds, request.signal)) ?? now);
    return { status: 200, body: await presentSnapshot(deps, snapshot, caller) };
  };
}

/** Seconds of `?wait=`; undefined when it is absent. Throws validation_failed for anything but 1 to `max`. */
function waitOfQuery(query: URLSearchParams, max: number): number | undefined {
  const values = query.getAll('wait');
  if (values.length === 0) return undefined;
  const seconds = values.length === 1 && /^\d{1,6}$/.test(values[0] ?? '') ? Number(values[0]) : 0;
  if (seconds >= 1 && seconds <= max) return seconds;
  const errors = [{ pointer: '/wait', detail: `must be a whole number of seconds from 1 to ${max}` }];
  throw new FleetError('validation_failed', 'The query has an invalid parameter.', { errors });
}
