import type { Evidence } from '../evidence/evidence.js';
import type { PlannedJob } from '../orders/plan-orders.js';
import type { Post } from '../people/load.js';
import { type Breach, type Check, count } from './check.js';

/**
 * An order with an Idempotency-Key makes one job, however often and at once it was posted, and every answer names that
 * job. One without makes a job with each post, so at least one and no more than there were posts.
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
      ['jobs made by these', count(evidence.histories, ({ tag }) => tags.has(tag ?? ''))],
      ['jobs made by the others', count(evidence.histories, ({ tag }) => !tags.has(tag ?? ''))],
    ],
    breaches,
  };
};

function faultsOf({ repeats }: PlannedJob, jobs: number, posts: readonly Post[]): string[] {
  if (repeats === undefined) {
    return [
      ...(jobs >= 1 && jobs <= posts.length ? [] : [`made ${jobs} jobs with ${posts.length} posts`]),
      ...(posts.some(({ replayed }) => replayed) ? ['was answered as a repeat without an Idempotency-Key'] : []),
    ];
  }
  const ids = new Set(posts.flatMap(({ jobId }) => jobId ?? []));
  const asNew = count(posts, ({ jobId, replayed }) => jobId !== undefined && !replayed);
  return [
    ...(jobs === 1 ? [] : [`made ${jobs} jobs with the Idempotency-Key ${repeats.key}`]),
    ...(ids.size <= 1 ? [] : [`was answered with ${[...ids].join(' and ')}`]),
    ...(asNew <= 1 ? [] : [`was answered ${asNew} times as if it were new`]),
  ];
}

function jobIdOf(posts: Evidence['posts']): { jobId?: string } {
  const jobId = posts.find((post) => post.jobId !== undefined)?.jobId;
  return jobId === undefined ? {} : { jobId };
}
