import type { Workflow } from '@comfy-fleet/client';
import { useMutation, useQuery } from '@tanstack/react-query';
import { type FormEvent, useEffect, useRef, useState } from 'react';
import { type FormValues, fieldsOf, fill } from '../../form/fields.js';
import { WorkflowForm } from '../../form/workflow-form.js';
import { JobCard } from '../../jobs/job-card.js';
import { useKeepJob } from '../../jobs/use-jobs.js';
import { isOpen } from '../../jobs/words.js';
import { faultsOf, placeOrder } from '../../make/order.js';
import { Fault } from '../../parts/fault.js';
import { useFleet } from '../../session.js';
import { bodyOf, type Draft } from '../draft.js';

const OPEN_MS = 1_000;

/** Runs the draft once as it is, without publishing it, and shows what it makes. */
export function TryIt({ draft, workflow }: { readonly draft: Draft; readonly workflow: Workflow }) {
  const fleet = useFleet();
  const keep = useKeepJob();
  const [values, setValues] = useState<FormValues>({});
  const [isTried, setTried] = useState(false);
  const fields = fieldsOf(workflow);
  const { inputs, files, faults } = fill(fields, values);
  const run = useMutation({
    mutationFn: async () => {
      const { name } = draft;
      const { workflow: tried } = await fleet.registry.inspect(name, bodyOf(draft), { forTrial: true });
      const job = await placeOrder(fleet, { workflow: name, version: tried.version, lod: undefined, inputs, files });
      keep(job.snapshot);
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
  // biome-ignore lint/correctness/useExhaustiveDependencies: it is larger in another state
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
