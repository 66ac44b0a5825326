import type { Model } from '@comfy-fleet/client';
import { useMutation, useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { ConfirmDialog } from '../parts/dialogs.js';
import { Fault } from '../parts/fault.js';
import { count } from '../parts/format.js';
import { useFleet } from '../session.js';

/** Buttons of admins for one model. */
export function ModelActions({ model }: { readonly model: Model }) {
  const { models } = useFleet();
  const queries = useQueryClient();
  const [isDeleting, setDeleting] = useState(false);
  const { kind, name, copies, jobs_waiting: jobs } = model;
  const refresh = () => queries.invalidateQueries({ queryKey: ['models'] });
  const act = useMutation({
    mutationFn: (verb: 'fetch' | 'verify') => models[verb](kind, name),
    onSuccess: refresh,
  });
  const remove = async () => {
    await models.delete(kind, name);
    await refresh();
  };
  const isReady = copies.some(({ state }) => state === 'ready');
  return (
    <div className="model-actions">
      <button type="button" aria-label={`Fetch ${name}`} disabled={act.isPending} onClick={() => act.mutate('fetch')}>
        Fetch
      </button>
      <button
        type="button"
        aria-label={`Verify ${name}`}
        disabled={act.isPending || !isReady}
        onClick={() => act.mutate('verify')}
      >
        Verify
      </button>
      <button type="button" aria-label={`Delete ${name}`} onClick={() => setDeleting(true)}>
        Delete…
      </button>
      {act.error !== null && <Fault error={act.error} />}
      {isDeleting && (
        <ConfirmDialog
          title={`Delete ${name}?`}
          action={`Delete ${name}`}
          onConfirm={remove}
          onClose={() => setDeleting(false)}
        >
          <ul className="consequences">
            <li>Workers delete the copies that they fetched. Files that were there before stay.</li>
            <li>
              New jobs that need it are refused, unless an instance has it anyway.
              {jobs > 0 && ` ${count(jobs, 'job that waits', 'jobs that wait')} for it will find no instance.`}
            </li>
          </ul>
        </ConfirmDialog>
      )}
    </div>
  );
}
