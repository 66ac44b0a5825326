import { isTerminal } from '@comfy-fleet/contracts';
import { type Breach, type Check, count, tally } from './check.js';

/** Every job that was accepted has ended, also one whose 202 never arrived, and no terminal state was left again. */
export const accepted: Check = ({ posts, jobs, histories }) => {
  const breaches: Breach[] = [];
  const ids = new Set(posts.flatMap(({ jobId }) => jobId ?? []));
  const recorded = new Set(histories.map(({ id }) => id));
  for (const id of ids) {
    if (!recorded.has(id)) breaches.push({ what: `job ${id} was answered 202 and has no record`, jobId: id });
  }
  for (const id of new Set([...ids, ...recorded])) {
    const job = jobs.get(id);
    if (job === undefined) breaches.push({ what: `job ${id} cannot be asked for`, jobId: id });
    else if (!isTerminal(job.status)) breaches.push({ what: `job ${id} is still ${job.status}`, jobId: id });
  }
  for (const { id, statuses } of histories) {
    const words = statuses.map(({ status }) => status);
    if (count(words, isTerminal) > 1 || words.slice(0, -1).some(isTerminal)) {
      breaches.push({ what: `job ${id} went on after its end: ${words.join(' → ')}`, jobId: id });
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
      ['jobs made by posts without their 202', unanswered.length],
      ['jobs by state', tally(statuses)],
    ],
    breaches,
  };
};
