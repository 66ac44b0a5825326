import type { Job } from '@comfy-fleet/client';
import { useQuery } from '@tanstack/react-query';
import { useState } from 'react';
import { Link } from 'wouter';
import { JobActions } from '../jobs/job-actions.js';
import { JobFault } from '../jobs/job-card.js';
import { isOpen, stateOf, titleOf } from '../jobs/words.js';
import { Fault } from '../parts/fault.js';
import { useTitle } from '../parts/hooks.js';
import { OutputView } from '../parts/output-view.js';
import { useFleet } from '../session.js';
import { Compare } from './compare.js';
import { Family, useFamily } from './family.js';
import { Parameters, Provenance } from './job-facts.js';
import { Webhook } from './webhook.js';

const OPEN_MS = 1_500;

/** One job in full. */
export function JobPage({ id }: { readonly id: string }) {
  const fleet = useFleet();
  const { data: job, error } = useQuery({
    queryKey: ['job', id],
    queryFn: async ({ signal }) => (await fleet.jobs.get(id, { signal })).snapshot,
    refetchInterval: ({ state }) => (state.data !== undefined && isOpen(state.data) ? OPEN_MS : false),
  });
  useTitle(job === undefined ? 'Job' : titleOf(job));
  return (
    <div className="job-page">
      <Link href="/gallery">All jobs</Link>
      {error !== null && <Fault error={error} />}
      {job !== undefined && <WholeJob job={job} />}
    </div>
  );
}

function WholeJob({ job }: { readonly job: Job }) {
  const [index, setIndex] = useState(0);
  const family = useFamily(job);
  const [compared, setCompared] = useState<Job>();
  return (
    <>
      <h1>{titleOf(job)}</h1>
      <div className="job-columns">
        <div className="job-main">
          {compared === undefined ? (
            <Outputs job={job} index={index} onChange={setIndex} />
          ) : (
            <Compare before={compared} after={job} index={index} onEnd={() => setCompared(undefined)} />
          )}
          <JobActions job={job} index={index} />
          <Family job={job} family={family} onCompare={setCompared} />
        </div>
        <div className="job-side">
          <Parameters job={job} />
          <Provenance job={job} index={index} />
          {job.webhook !== null && <Webhook job={job} />}
        </div>
      </div>
    </>
  );
}

interface OutputsProps {
  readonly job: Job;
  readonly index: number;
  readonly onChange: (index: number) => void;
}

function Outputs({ job, index, onChange }: OutputsProps) {
  const fleet = useFleet();
  const { outputs } = fleet.jobs.from(job);
  const shown = outputs[index];
  if (isOpen(job)) {
    return (
      <div className="card shown">
        <div className="under-way-text">
          <p>{stateOf(job)}</p>
          <progress aria-label="Progress" max={1} value={job.progress.fraction} />
        </div>
      </div>
    );
  }
  if (job.status !== 'succeeded') {
    return (
      <div className="card shown">
        <JobFault job={job} />
      </div>
    );
  }
  if (shown === undefined) return <p className="empty">This job made no files, or they were deleted.</p>;
  return (
    <>
      <div className="card shown">
        <OutputView output={shown} alt={titleOf(job)} width={1024} />
      </div>
      <p className="output-links">
        <a href={shown.link()} download>
          Download {shown.filename}
        </a>
      </p>
      {outputs.length > 1 && (
        <fieldset className="output-choice">
          <legend className="sr-only">Files of this job</legend>
          {outputs.map((output, at) => (
            <button key={output.url} type="button" aria-pressed={at === index} onClick={() => onChange(at)}>
              {at + 1} {output.name}
            </button>
          ))}
        </fieldset>
      )}
    </>
  );
}
