import { table } from '../../lib/table.js';
import { tally } from '../checks/check.js';
import type { Evidence } from '../evidence/evidence.js';
import { executionsByJob, renderingsPerJob } from '../evidence/executions.js';
import type { Load } from '../people/load.js';

/** When what happened; ms since 1970. */
export interface Moments {
  readonly killedAt: number;
  readonly promotedAt: number;
}

export interface Outcome {
  readonly evidence: Evidence;
  readonly load: Load;
  readonly moments: Moments;
  /** In ms. */
  readonly gap: number;
  readonly failovers: number;
}

export function failoverReport({ evidence, load, moments, gap, failovers }: Outcome): string {
  const { killedAt, promotedAt } = moments;
  const taken = load.posts.filter(({ status }) => status === 202);
  const first = taken.filter(({ sentAt }) => sentAt >= killedAt).map(({ answeredAt }) => answeredAt);
  const acknowledged = new Set(taken.map(({ jobId }) => jobId));
  const before = taken.filter(({ answeredAt }) => answeredAt <= killedAt);
  const endedBefore = evidence.calls.filter(({ at }) => at <= killedAt).length;
  const executions = [...executionsByJob(evidence).values()];
  const otherwise = load.posts.flatMap(({ status }) => (status === 202 ? [] : [`${status ?? 'no answer'}`]));
  const rows: [string, number | string][] = [
    ['from the kill to a new primary, ms', promotedAt - killedAt],
    ['from the kill to the first 202 of a post that came after it, ms', Math.min(...first) - killedAt],
    ['longest time without an answer to a look at the jobs, ms', gap],
    ['failovers in all', failovers],
    ['jobs acknowledged', acknowledged.size],
    ['… before the kill', before.length],
    ['… of these, ended and delivered before it', endedBefore],
    ['posts answered otherwise (and repeated)', tally(otherwise)],
    [
      'acknowledged jobs by their one end',
      tally([...acknowledged].map((id) => evidence.jobs.get(id ?? '')?.status ?? 'LOST')),
    ],
    ['jobs rendered', renderingsPerJob(evidence)],
    ['renderings repeated', executions.reduce((sum, { length }) => sum + length - 1, 0)],
    ['callbacks delivered', new Set(evidence.calls.map(({ webhookId }) => webhookId)).size],
    ['… delivered again, since that they were was lost', repeatedCalls(evidence)],
  ];
  return table(
    "Failover: Redis' primary killed under load",
    ['', ''],
    rows.map(([name, value]) => [name, `${value}`]),
  );
}

function repeatedCalls({ calls }: Evidence): number {
  return calls.length - new Set(calls.map(({ webhookId }) => webhookId)).size;
}
