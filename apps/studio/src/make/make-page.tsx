import { useMutation, useQuery } from '@tanstack/react-query';
import { type FormEvent, useState } from 'react';
import { fieldsOf } from '../form/fields.js';
import { fill } from '../form/values.js';
import { WorkflowForm } from '../form/workflow-form.js';
import { useKeepJob } from '../jobs/use-recent.js';
import { CopyMenu } from '../parts/copy-menu.js';
import { Fault } from '../parts/fault.js';
import { useTitle } from '../parts/use-title.js';
import { useFleet } from '../session/session.js';
import { useDraft } from './draft.js';
import { faultsOf } from './faults-of.js';
import { LodLadder } from './lod-ladder.js';
import { type Order, placeOrder } from './order.js';
import { RecentJobs } from './recent-jobs.js';
import { WorkflowChoice } from './workflow-choice.js';

/** The form of a workflow, and what became of the orders. */
export function MakePage() {
  useTitle('Make');
  return (
    <div className="make">
      <h1 className="sr-only">Make</h1>
      <OrderForm />
      <RecentJobs />
    </div>
  );
}

function OrderForm() {
  const fleet = useFleet();
  const keep = useKeepJob();
  const { workflow: name, lod, values, change } = useDraft();
  const workflow = useQuery({
    queryKey: ['workflow', name],
    queryFn: ({ signal }) => fleet.workflow(name, { signal }),
  });
  const lods = useQuery({ queryKey: ['lods'], queryFn: ({ signal }) => fleet.lods({ signal }), staleTime: 60_000 });
  const [isTried, setTried] = useState(false);
  const place = useMutation({
    mutationFn: async (order: Order) => keep((await placeOrder(fleet, order)).snapshot),
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
  // A form that was loaded once stays, whatever becomes of the API.
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
  const order: Order = { workflow: name, lod, inputs, files };
  const isComplete = Object.keys(faults).length === 0;
  const submit = (event: FormEvent) => {
    event.preventDefault();
    setTried(true);
    if (isComplete) place.mutate(order);
  };
  const told = { ...(isTried ? faults : {}), ...faultsOf(place.error) };
  return (
    <form className="card order-form" noValidate onSubmit={submit}>
      {choice}
      <WorkflowForm
        fields={fields}
        values={values}
        faults={told}
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
      {isComplete && <CopyMenu order={order} label="Copy this as" />}
    </form>
  );
}
