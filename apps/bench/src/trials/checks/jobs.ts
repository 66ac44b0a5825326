import { isTerminal, type Job } from '@comfy-fleet/contracts';
import { count, tally } from '../../lib/report.js';
import type { Breach, Check, Evidence, Execution } from '../evidence/evidence.js';
import { diedUnder, executionsByJob, historyVictims, isHung } from '../evidence/executions.js';
import type { PlannedJob } from '../orders/plan-orders.js';
import type { Post } from '../people/load.js';

/** Every accepted job has ended, even if its 202 did not arrive, and has not changed after its end. */
export const accepted: Check = ({ posts, jobs, histories }) => {
  const breaches: Breach[] = [];
  const ids = new Set(posts.flatMap(({ jobId }) => jobId ?? []));
  const recorded = new Set(histories.map(({ id }) => id));
  for (const id of ids) {
    if (!recorded.has(id)) breaches.push({ what: `job ${id} was answered 202 and has no record`, jobId: id });
  }
  for (const id of new Set([...ids, ...recorded])) {
    const job = jobs.get(id);
    if (job === undefined) breaches.push({ what: `job ${id} cannot be read`, jobId: id });
    else if (!isTerminal(job.status)) breaches.push({ what: `job ${id} is still ${job.status}`, jobId: id });
  }
  for (const { id, statuses } of histories) {
    const words = statuses.map(({ status }) => status);
    if (count(words, isTerminal) > 1 || words.slice(0, -1).some(isTerminal)) {
      breaches.push({ what: `job ${id} changed after its end: ${words.join(' → ')}`, jobId: id });
    }
  }
  const statuses = [...jobs.values()].map((job) => job?.status ?? 'unknown');
  const unanswered = histories.filter(({ id }) => !ids.has(id));
  return {
    rows: [
      ['posts', posts.length],
      ['answered 202', ids.size],
      ['answered otherwise', tally(posts.flatMap(({ status }) => (status === 202 || !status ? [] : [`${status}`])))],
      ['not answered (outcome unknown)', count(posts, ({ status }) => status === undefined)],
      ['jobs created by posts whose 202 did not arrive', unanswered.length],
      ['jobs by state', tally(statuses)],
    ],
    breaches,
  };
};

/**
 * An order with an Idempotency-Key creates one job, however often it was posted, and every answer has that job. An
 * order without one creates a job with each post that arrives: at least one, and no more than there were posts.
 */
export const orders: Check = (evidence) => {
  const breaches: Breach[] = [];
  const keyed = evidence.orders.filter(({ repeats }) => repeats !== undefined);
  const tags = new Set(keyed.map(({ tag }) => tag));
  const jobsOf = (tag: string) => count(evidence.histories, (history) => history.tag === tag);
  for (const order of evidence.orders) {
    const posts = evidence.posts.filter(({ tag }) => tag === order.tag);
    for (const fault of faultsOf(order, jobsOf(order.tag), posts)) {
      breaches.push({ what: `order ${order.tag} ${fault}`, ...jobIdOf(posts) });
    }
  }
  return {
    rows: [
      ['orders', evidence.orders.length],
      ['… with an Idempotency-Key', keyed.length],
      ['posts of these', count(evidence.posts, ({ tag }) => tags.has(tag))],
      ['… answered as a repeat', count(evidence.posts, ({ replayed }) => replayed)],
      ['jobs created by these', count(evidence.histories, ({ tag }) => tags.has(tag ?? ''))],
      ['jobs created by the others', count(evidence.histories, ({ tag }) => !tags.has(tag ?? ''))],
    ],
    breaches,
  };
};

function faultsOf({ repeats }: PlannedJob, jobs: number, posts: readonly Post[]): string[] {
  if (repeats === undefined) {
    return [
      ...(jobs >= 1 && jobs <= posts.length ? [] : [`created ${jobs} jobs with ${posts.length} posts`]),
      ...(posts.some(({ replayed }) => replayed) ? ['was answered as a repeat without an Idempotency-Key'] : []),
    ];
  }
  const ids = new Set(posts.flatMap(({ jobId }) => jobId ?? []));
  const asNew = count(posts, ({ jobId, replayed }) => jobId !== undefined && !replayed);
  return [
    ...(jobs === 1 ? [] : [`created ${jobs} jobs with the Idempotency-Key ${repeats.key}`]),
    ...(ids.size <= 1 ? [] : [`was answered with ${[...ids].join(' and ')}`]),
    ...(asNew <= 1 ? [] : [`was answered ${asNew} times as if it were new`]),
  ];
}

function jobIdOf(posts: Evidence['posts']): { jobId?: string } {
  const jobId = posts.find((post) => post.jobId !== undefined)?.jobId;
  return jobId === undefined ? {} : { jobId };
}

/** A job fails only with a code that an injected fault explains. */
export const failures: Check = (evidence) => {
  const breaches: Breach[] = [];
  const codes: string[] = [];
  const executions = executionsByJob(evidence);
  for (const job of evidence.jobs.values()) {
    if (job === undefined || job.status === 'succeeded' || job.status === 'canceled') continue;
    const code = job.error?.code ?? job.status;
    codes.push(code);
    if (explains(code, job, executions.get(job.id) ?? [], evidence)) continue;
    breaches.push({
      what: `job ${job.id} is ${job.status}, which no injected fault explains: ${JSON.stringify(job.error)}`,
      jobId: job.id,
    });
  }
  return {
    rows: [['failed jobs by code', tally(codes)]],
    breaches,
  };
};

function explains(code: string, job: Job, executions: readonly Execution[], evidence: Evidence): boolean {
  const { faults, settings, gatheredAt } = evidence;
  const finishedAt = job.finished_at === null ? gatheredAt : Date.parse(job.finished_at);
  const met = (kind: string, outcome: Execution['outcome']) =>
    count(
      executions,
      (execution) =>
        execution.outcome === outcome && faults.some((fault) => fault.kind === kind && fault.pid === execution.pid),
    );
  switch (code) {
    case 'node_execution_error':
      return met('node_error', 'error') >= 1;
    case 'out_of_memory':
      return met('out_of_memory', 'error') >= 2;
    case 'timed_out':
      // A hung prompt, or a machine so busy that a step takes many times as long as it should.
      return executions.some((execution) => {
        const stopped = execution.outcome === 'interrupted' ? lasted(execution) : 0;
        const givenUp = isHung(execution, evidence) ? finishedAt - execution.startedAt : 0;
        return Math.max(stopped, givenUp) >= settings.deadlineSeconds * 1000;
      });
    case 'instance_killed': {
      // A worker that starts again cannot tell a lost history from the death of the instance.
      const lost = historyVictims(evidence);
      const isDeath = (execution: Execution) => diedUnder(execution, finishedAt, evidence) || lost.has(execution);
      return count(executions, isDeath) >= settings.maxInstanceDeaths;
    }
    case 'prompt_lost': {
      // The check of renderings verifies that the earlier executions were lost for a reason.
      const last = executions.at(-1);
      if (last === undefined || executions.length < settings.maxAttempts) return false;
      return diedUnder(last, finishedAt, evidence) || historyVictims(evidence).has(last);
    }
    case 'worker_killed': {
      const claims = evidence.histories.find(({ id }) => id === job.id)?.claims ?? [];
      return claims.length > settings.maxWorkerDeaths;
    }
    default:
      return false;
  }
}

function lasted({ startedAt, endedAt = startedAt }: Execution): number {
  return endedAt - startedAt;
}
