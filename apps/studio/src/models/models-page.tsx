import type { Model, ModelCopy, ModelFolder } from '@comfy-fleet/client';
import { useQuery } from '@tanstack/react-query';
import { useState } from 'react';
import { Fault } from '../parts/fault.js';
import { bytes, count, list } from '../parts/format.js';
import { useTitle } from '../parts/hooks.js';
import { useFleet, useIsAdmin } from '../session.js';
import { AddDialog } from './add-dialog.js';
import { ModelActions } from './model-actions.js';
import { factsOf, placeOf, progressOf, rightsText, sentenceOf, usedText } from './words.js';

const POLL_MS = 2_000;
/** With more models than this, the list can be searched. */
const MANY = 8;

/** The registered models, where they are, and what is being fetched; admins can add, fetch, verify and delete them. */
export function ModelsPage() {
  useTitle('Models');
  const fleet = useFleet();
  const isAdmin = useIsAdmin();
  const [isAdding, setAdding] = useState(false);
  const [search, setSearch] = useState('');
  const {
    data,
    error,
    dataUpdatedAt: at,
  } = useQuery({
    queryKey: ['models'],
    queryFn: ({ signal }) => fleet.models.list({ signal }),
    refetchInterval: POLL_MS,
  });
  const words = search.toLowerCase();
  const shown = data?.data.filter(({ kind, name }) => `${kind}/${name}`.toLowerCase().includes(words));
  return (
    <div className="models">
      <div className="models-head">
        <div>
          <h1>Models</h1>
          {data !== undefined && <p>{sentenceOf(data)}</p>}
        </div>
        {isAdmin && (
          <button type="button" onClick={() => setAdding(true)}>
            Add a model…
          </button>
        )}
      </div>
      {isAdding && <AddDialog onClose={() => setAdding(false)} />}
      {error !== null && <Fault error={error} />}
      {data !== undefined && isAdmin && <Folders folders={data.folders} />}
      {data !== undefined && data.data.length > MANY && (
        <label className="field search">
          <span className="label">Find</span>
          <input type="search" value={search} onChange={(event) => setSearch(event.target.value)} />
        </label>
      )}
      <ul className="card model-rows" aria-label="Models" aria-busy={data === undefined && error === null}>
        {shown?.map((model) => (
          <ModelRow key={`${model.kind}/${model.name}`} model={model} isAdmin={isAdmin} now={at} />
        ))}
      </ul>
      {shown?.length === 0 && (
        <p className="empty">
          {data?.data.length === 0
            ? 'No models are registered. Jobs can use what the ComfyUIs have themselves.'
            : 'No model matches.'}
        </p>
      )}
    </div>
  );
}

function Folders({ folders }: { readonly folders: readonly ModelFolder[] }) {
  if (folders.length === 0) {
    return (
      <p className="hint">
        No worker manages a model folder: set <code>COMFYUI_MODELS_DIR</code> where ComfyUI’s models are, so that they
        can be fetched.
      </p>
    );
  }
  return (
    <ul className="model-folders" aria-label="Model folders">
      {folders.map(({ id, worker, pools, instances, used_bytes: used, max_bytes: most, bytes_per_second: speed }) => (
        <li key={id} className="card model-folder">
          <span className="label">{worker}</span>
          <progress aria-label={`Disk space of ${worker}`} max={most} value={Math.min(used, most)} />
          <span className="hint">
            {bytes(used)} of {bytes(most)}
            {speed === null ? '' : `, fetches ${bytes(speed)}/s`}
          </span>
          <span className="hint">
            {count(instances.length, 'instance')} in {list(pools)}
          </span>
        </li>
      ))}
    </ul>
  );
}

interface ModelRowProps {
  readonly model: Model;
  readonly isAdmin: boolean;
  /** When the data was read, in ms since 1970. */
  readonly now: number;
}

export function ModelRow({ model, isAdmin, now }: ModelRowProps) {
  const { kind, name, bytes: size, jobs_waiting: jobs, copies, pinned_in: pinned = [] } = model;
  const rights = rightsText(model);
  return (
    <li className="model-row" data-model={`${kind}/${name}`}>
      <div className="model-about">
        <h2>{name}</h2>
        <p className="hint">
          {kind}
          {size === null ? '' : ` · ${bytes(size)}`} · {usedText(model, now)}
          {rights === '' ? '' : ` · ${rights}`}
          {pinned.length === 0 ? '' : ` · always kept in ${list(pinned)}`}
        </p>
        {jobs > 0 && <p className="model-waiting">{count(jobs, 'job waits', 'jobs wait')} for it</p>}
      </div>
      <ul className="model-copies">
        {copies.length === 0 && <li className="hint">No worker has it yet</li>}
        {copies.map((copy) => (
          <CopyLine key={copy.folder ?? placeOf(copy)} copy={copy} name={name} now={now} />
        ))}
      </ul>
      {isAdmin && <ModelActions model={model} />}
    </li>
  );
}

interface CopyLineProps {
  readonly copy: ModelCopy;
  readonly name: string;
  readonly now: number;
}

function CopyLine({ copy, name, now }: CopyLineProps) {
  const { state, bytes: whole, fetched, error } = copy;
  const place = placeOf(copy);
  return (
    <li className="model-copy" data-state={state}>
      <span className="model-place">{place}</span>
      {state === 'fetching' && (
        <>
          <progress
            aria-label={`${name} to ${place}`}
            max={Math.max(1, whole)}
            {...(whole === 0 ? {} : { value: fetched })}
          />
          <span className="hint">{progressOf(copy)}</span>
        </>
      )}
      {(state === 'ready' || state === 'evicting') && <span className="hint">{factsOf(copy, now)}</span>}
      {error !== null && <span className="fault">{error.detail}</span>}
    </li>
  );
}
