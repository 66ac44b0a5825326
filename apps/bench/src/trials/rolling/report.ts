import { percentile } from '../../lib/statistics.js';
import { table } from '../../lib/table.js';
import type { Access } from '../behind-nginx/nginx.js';
import { tally } from '../checks/check.js';
import type { Evidence } from '../evidence/evidence.js';
import { renderingsPerJob } from '../evidence/executions.js';
import type { Crowd } from '../people/crowd.js';
import { longestGap, type Visit } from '../people/visits.js';
import type { TakenStep } from './steps.js';

const seconds = (ms: number) => (ms / 1000).toFixed(1);

export interface RollingEvidence {
  readonly crowd: Crowd;
  readonly steps: readonly TakenStep[];
  readonly evidence: Evidence;
  readonly accesses: readonly Access[];
}

export function rollingReport({ crowd, steps, evidence, accesses }: RollingEvidence): string[] {
  const { visits } = crowd;
  const stepRows = steps.map(({ name, from, to }) => {
    const during = visits.filter(({ sentAt }) => sentAt >= from && sentAt <= to);
    return [name, seconds(to - from), `${during.length}`, `${failed(during)}`, `${longestGap(visits, from, to)}`];
  });
  const kinds = [...new Set(visits.map(({ kind }) => kind))].sort();
  const kindRows = kinds.map((kind) => {
    const own = visits.filter((visit) => visit.kind === kind);
    const ms = own.map(({ sentAt, answeredAt }) => answeredAt - sentAt);
    const waits = kind === 'wait';
    const times = [50, 99, 100].map((share) => (waits ? '' : `${percentile(ms, share)}`));
    return [kind, `${own.length}`, `${failed(own)}`, ...times];
  });
  return [
    table(
      'Rolling restart: what was restarted, and who noticed',
      ['restarted', 's', 'requests', 'failed', 'longest gap, ms'],
      stepRows,
    ),
    table(
      'Requests through nginx, without a second try',
      ['', 'requests', 'failed', 'p50 ms', 'p99', 'longest'],
      kindRows,
    ),
    table('What became of it', ['', ''], outcomes({ crowd, steps, evidence, accesses })),
  ];
}

function outcomes({ crowd, evidence, accesses }: RollingEvidence): string[][] {
  const { posts, visits, followed, reconnects, cuts } = crowd;
  const { jobs, calls } = evidence;
  const states = [...jobs.values()].map((job) => job?.status ?? 'unknown');
  const accepted = posts.filter(({ jobId }) => jobId !== undefined).length;
  const rows: [string, number | string][] = [
    ['requests', visits.length],
    ['… failed', failed(visits)],
    ['… that nginx gave to another api', accesses.filter(({ upstreamStatuses }) => upstreamStatuses.length > 1).length],
    ['jobs accepted', accepted],
    ['… ended', tally(states)],
    ['… seen to their end', followed],
    ['event streams taken up again', reconnects],
    ['… that were cut, not ended', cuts],
    ['callbacks delivered', new Set(calls.map(({ webhookId }) => webhookId)).size],
    ['… calls for them', calls.length],
    ['jobs rendered', renderingsPerJob(evidence)],
  ];
  return rows.map(([name, value]) => [name, `${value}`]);
}

function failed(visits: readonly Visit[]): number {
  return visits.filter(({ fault }) => fault !== undefined).length;
}
