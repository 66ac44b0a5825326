import { followedOf } from '../jobs/followed.js';
import { JobCard } from '../jobs/job-card.js';
import { useRecent } from '../jobs/use-recent.js';
import { Fault } from '../parts/fault.js';

/** The newest jobs, as the API has them: whoever comes back finds them all. */
export function RecentJobs() {
  const { data: jobs, error } = useRecent();
  if (jobs === undefined) return error === null ? <div aria-busy="true" /> : <Fault error={error} />;
  const followed = followedOf(jobs);
  return (
    <section aria-label="Newest jobs" className="grid">
      {error !== null && <Fault error={error} />}
      {jobs.length === 0 && <p className="empty">What you make appears here.</p>}
      {jobs.map((job) => (
        <JobCard key={job.id} job={job} isFollowed={followed.has(job.id)} />
      ))}
    </section>
  );
}
