import type { Workflow } from '@comfy-fleet/client';
import { useMutation, useQuery } from '@tanstack/react-query';
import { type FormEvent, useEffect, useRef, useState } from 'react';
import { type FormValues, fieldsOf, fill } from '../../form/fields.js';
import { WorkflowForm } from '../../form/workflow-form.js';
import { JobCard } from '../../jobs/job-card.js';
import { useUpdateJob } from '../../jobs/use-jobs.js';
import { isOpen } from '../../jobs/words.js';
import { faultsOf, sendRequest } from '../../make/request.js';
import { Fault } from '../../parts/fault.js';
import { useFleet } from '../../session.js';
import { bodyOf, type Draft } from '../draft.js';

const OPEN_MS = 1_000;

/** Runs the draft once without publishing it, and shows the result. */
export function TryIt({ draft, workflow }: { readonly draft: Draft; readonly workflow: Workflow }) {
  const fleet = useFleet();
  const update = useUpdateJob();
  const [values, setValues] = useState<FormValues>({});
  const [isTried, setTried] = useState(false);
  const fields = fieldsOf(workflow);
  const { inputs, files, faults } = fill(fields, values);
  const run = useMutation({
    mutationFn: async () => {
      const { name } = draft;
      const { workflow: tried } = await fleet.registry.inspect(name, bodyOf(draft), { forTrial: true });
      const job = await sendRequest(fleet, { workflow: name, version: tried.version, lod: undefined, inputs, files });
      update(job.snapshot);
      return job.id;
    },
  });
  const submit = (event: FormEvent) => {
    event.preventDefault();
    setTried(true);
    if (Object.keys(faults).length === 0) run.mutate();
  };
  return (
    <>
      <form className="try-form" noValidate onSubmit={submit}>
        <WorkflowForm
          fields={fields}
          values={values}
          faults={{ ...(isTried ? faults : {}), ...faultsOf(run.error) }}
          profile={undefined}
          onChange={(field, value) => {
            if (run.error !== null) run.reset();
            setValues({ ...values, [field]: value });
          }}
        />
        <button type="submit" disabled={run.isPending}>
          Try it
        </button>
        {run.error !== null && <Fault error={run.error} />}
      </form>
      {run.data !== undefined && <Tried key={run.data} id={run.data} />}
    </>
  );
}

function Tried({ id }: { readonly id: string }) {
  const fleet = useFleet();
  const { data: job, error } = useQuery({
    queryKey: ['job', id],
    queryFn: async ({ signal }) => (await fleet.jobs.get(id, { signal })).snapshot,
    refetchInterval: ({ state }) => (state.data !== undefined && isOpen(state.data) ? OPEN_MS : false),
  });
  const card = useRef<HTMLDivElement>(null);
  const status = job?.status;
  // biome-ignore lint/correctness/useExhaustiveDependencies: the card's size changes with its status
  useEffect(() => {
    card.current?.scrollIntoView({ block: 'nearest' });
  }, [status]);
  if (error !== null) return <Fault error={error} />;
  return (
    <div ref={card} aria-busy={job === undefined}>
      {job !== undefined && <JobCard job={job} isFollowed={isOpen(job)} />}
    </div>
  );
}
