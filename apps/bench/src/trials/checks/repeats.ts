import { answeredAt, callsByJob, hindrance, isFinal, isGone } from '../evidence/calls-by-job.js';
import type { Call, Evidence } from '../evidence/evidence.js';
import { type Breach, type Check, tally } from './check.js';

/** BullMQ's clock and this one are read at different moments. */
const CLOCK_SLACK_MS = 20;
/** A delay of the schedule may be so much shorter than it says. */
const SHORTEST = 0.8;

/**
 * A webhook that was taken, or whose receiver is gone, is called again only when a dispatcher or Redis died, or a dispatcher
 * lost its lock or had given up, before that was written down; and one that was not taken only when its time has come, with
 * the same excuse.
 */
export const repeats: Check = (evidence) => {
  const breaches: Breach[] = [];
  const causes: string[] = [];
  let early = 0;
  let unexplained = 0;
  for (const [jobId, calls] of callsByJob(evidence)) {
    for (const [n, next] of calls.entries()) {
      const before = calls[n - 1];
      if (before === undefined) continue;
      const wait = next.at - answeredAt(before, evidence);
      if (!isFinal(before) && wait >= shortestWait(before, evidence) - CLOCK_SLACK_MS) continue;
      const cause = hindrance(before, evidence);
      if (isFinal(before)) {
        if (cause === undefined) unexplained += 1;
        else causes.push(cause);
      } else early += 1;
      if (cause !== undefined) continue;
      const how = isFinal(before) ? (isGone(before) ? 'was gone' : 'had taken it') : 'was to be called later';
      breaches.push({
        what: `job ${jobId}'s receiver ${how} at ${before.at} and was called again after ${wait} ms`,
        jobId,
      });
    }
  }
  return {
    rows: [
      ['calls after a 2xx or a 410', causes.length + unexplained],
      ['… by cause', tally(causes)],
      ['… unexplained', unexplained],
      ['calls before their time, since a dispatcher or Redis died', early],
    ],
    breaches,
  };
};

/** Least ms from the answer to a call until the next one. */
function shortestWait({ answer }: Call, { settings }: Evidence): number {
  // When exactly the caller gives up is not known here.
  if (answer === 'hang') return 0;
  const asked = typeof answer === 'string' ? undefined : answer.retryAfterSeconds;
  return asked === undefined ? settings.webhookRetryMs * SHORTEST : asked * 1000;
}
