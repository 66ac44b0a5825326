import type { LodProfile } from '@comfy-fleet/client';
import { useMutation, useQuery } from '@tanstack/react-query';
import { type FormEvent, useState } from 'react';
import { fieldsOf, fill } from '../form/fields.js';
import { WorkflowForm } from '../form/workflow-form.js';
import { JobCard } from '../jobs/job-card.js';
import { jobsToFollow } from '../jobs/recent-jobs.js';
import { useRecent, useUpdateJob } from '../jobs/use-jobs.js';
import { LOD_NAMES } from '../jobs/words.js';
import { Fault } from '../parts/fault.js';
import { useTitle } from '../parts/hooks.js';
import { useFleet } from '../session.js';
import { CopyMenu } from './copy-menu.js';
import { useDraft } from './draft.js';
import { faultsOf, type JobRequest, type Lod, sendRequest } from './request.js';
import { WorkflowChoice } from './workflow-choice.js';

/** The form of a workflow, and the newest jobs. */
export function MakePage() {
  useTitle('Make');
  return (
    <div className="make">
      <h1 className="sr-only">Make</h1>
      <MakeForm />
      <RecentJobs />
    </div>
  );
}

function MakeForm() {
  const fleet = useFleet();
  const update = useUpdateJob();
  const { workflow: name, lod, values, change } = useDraft();
  const workflow = useQuery({
    queryKey: ['workflow', name],
    queryFn: ({ signal }) => fleet.workflow(name, { signal }),
  });
  const lods = useQuery({ queryKey: ['lods'], queryFn: ({ signal }) => fleet.lods({ signal }), staleTime: 60_000 });
  const [isTried, setTried] = useState(false);
  const place = useMutation({
    mutationFn: async (request: JobRequest) => update((await sendRequest(fleet, request)).snapshot),
  });
  const choice = (
    <WorkflowChoice
      chosen={name}
      onChange={(workflow) => {
        place.reset();
        setTried(false);
        change({ workflow });
      }}
    />
  );
  // Once loaded, the form stays even if the API goes down.
  if (workflow.data === undefined || lods.data === undefined) {
    const error = workflow.error ?? lods.error;
    return (
      <div className="card order-form" aria-busy={error === null}>
        {choice}
        {error !== null && <Fault error={error} />}
      </div>
    );
  }

  const fields = fieldsOf(workflow.data);
  const { inputs, files, faults } = fill(fields, values);
  const request: JobRequest = { workflow: name, lod, inputs, files };
  const isComplete = Object.keys(faults).length === 0;
  const submit = (event: FormEvent) => {
    event.preventDefault();
    setTried(true);
    if (isComplete) place.mutate(request);
  };
  const messages = { ...(isTried ? faults : {}), ...faultsOf(place.error) };
  return (
    <form className="card order-form" noValidate onSubmit={submit}>
      {choice}
      <WorkflowForm
        fields={fields}
        values={values}
        faults={messages}
        profile={lods.data.data.find((profile) => profile.lod === lod)}
        onChange={(field, value) => {
          if (place.error !== null) place.reset();
          change({ values: { ...values, [field]: value } });
        }}
      />
      <LodLadder
        profiles={lods.data.data}
        chosen={lod}
        hasNone={name !== 'text2img' && name !== 'img2img'}
        onChange={(lod) => change({ lod })}
      />
      <button type="submit" className="primary" disabled={place.isPending}>
        Make it
      </button>
      {place.error !== null && <Fault error={place.error} />}
      {isComplete && <CopyMenu request={request} label="Copy this as" />}
    </form>
  );
}

interface LodLadderProps {
  readonly profiles: readonly LodProfile[];
  readonly chosen: Lod | undefined;
  /** Whether the workflow may also run as saved, without a level of detail. */
  readonly hasNone: boolean;
  readonly onChange: (lod: Lod | undefined) => void;
}

/** Chooses the level of detail; levels that pictures cannot be refined through stand beside the ladder. */
function LodLadder({ profiles, chosen, hasNone, onChange }: LodLadderProps) {
  return (
    <fieldset className="ladder">
      <legend className="label">Level of detail</legend>
      <div className="rungs">
        {profiles.map(({ lod, steps, description }, index) => (
          <label key={lod} className="rung" data-rung={lod === 'direct_final' ? 'beside' : index} title={description}>
            <input type="radio" name="lod" checked={chosen === lod} onChange={() => onChange(lod)} />
            <span className="rung-name">{LOD_NAMES[lod]}</span>
            <span className="rung-steps">{steps} steps</span>
          </label>
        ))}
        {hasNone && (
          <label className="rung" data-rung="beside">
            <input type="radio" name="lod" checked={chosen === undefined} onChange={() => onChange(undefined)} />
            <span className="rung-name">As saved</span>
            <span className="rung-steps">no profile</span>
          </label>
        )}
      </div>
      <p className="hint">
        {profiles.find(({ lod }) => lod === chosen)?.description ?? 'The workflow as its author saved it.'}
      </p>
    </fieldset>
  );
}

/** The newest jobs from the API, so that they are still there after a reload. */
function RecentJobs() {
  const { data: jobs, error } = useRecent();
  if (jobs === undefined) return error === null ? <div aria-busy="true" /> : <Fault error={error} />;
  const followed = jobsToFollow(jobs);
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
