import { MODEL_KINDS, type ModelKind, modelOfSource } from '@comfy-fleet/client';
import { useMutation, useQueryClient } from '@tanstack/react-query';
import { type FormEvent, type ReactNode, useState } from 'react';
import { Dialog } from '../parts/dialogs.js';
import { Fault } from '../parts/fault.js';
import { useFleet } from '../session.js';
import { wordsOf } from './words.js';

const EMPTY = { sources: '', kind: '', name: '', sha256: '', keys: '', pools: '' };

/** Registers a model. Kind and name are taken from the path of the first source until they are entered. */
export function AddDialog({ onClose }: { readonly onClose: () => void }) {
  const { models } = useFleet();
  const queries = useQueryClient();
  const [given, setGiven] = useState(EMPTY);
  const [isFetched, setFetched] = useState(true);
  const sources = wordsOf(given.sources);
  const found = modelOfSource(sources[0] ?? '');
  const kind = (given.kind || found.kind) as ModelKind | undefined;
  const name = given.name || found.name;
  const add = useMutation({
    mutationFn: async () => {
      if (kind === undefined || name === undefined) return;
      const [keys, pools] = [wordsOf(given.keys), wordsOf(given.pools)];
      await models.put(kind, name, {
        sources,
        ...(given.sha256 === '' ? {} : { sha256: given.sha256.trim().toLowerCase() }),
        ...(keys.length === 0 ? {} : { keys }),
        ...(pools.length === 0 ? {} : { pinned_in: pools }),
      });
      if (isFetched) await models.fetch(kind, name);
      await queries.invalidateQueries({ queryKey: ['models'] });
    },
    onSuccess: onClose,
  });
  const field = (what: keyof typeof EMPTY) => ({
    value: given[what],
    onChange: ({ target }: { readonly target: { readonly value: string } }) =>
      setGiven({ ...given, [what]: target.value }),
  });
  const submit = (event: FormEvent) => {
    event.preventDefault();
    add.mutate();
  };
  return (
    <Dialog title="Add a model" onClose={onClose}>
      <form className="model-form" onSubmit={submit}>
        <Field
          label="Sources"
          hint="One per line, tried in this order: https://…, hf:owner/repo/path@revision, civitai:<version id>, s3://bucket/key. Never with credentials."
        >
          <textarea rows={3} required {...field('sources')} />
        </Field>
        <div className="model-fields">
          <Field label="Kind">
            <select required {...field('kind')} value={kind ?? ''}>
              <option value="">Choose…</option>
              {MODEL_KINDS.map((one) => (
                <option key={one}>{one}</option>
              ))}
            </select>
          </Field>
          <Field label="Name" hint="As loaders list it; it may have folders.">
            <input required {...field('name')} value={name ?? ''} />
          </Field>
          <Field label="SHA-256" hint="Empty: what the source or the first download says.">
            <input {...field('sha256')} />
          </Field>
          <Field label="Only for the keys" hint="Separated by commas. Empty: all keys.">
            <input {...field('keys')} />
          </Field>
          <Field label="Always keep in the pools" hint="Separated by commas. Empty: it may be evicted.">
            <input {...field('pools')} />
          </Field>
        </div>
        <label className="check">
          <input type="checkbox" checked={isFetched} onChange={(event) => setFetched(event.target.checked)} />
          Fetch it now, and not only when a job needs it
        </label>
        {add.error !== null && <Fault error={add.error} />}
        <button type="submit" className="primary" disabled={add.isPending}>
          Add
        </button>
      </form>
    </Dialog>
  );
}

interface FieldProps {
  readonly label: string;
  readonly hint?: string;
  readonly children: ReactNode;
}

function Field({ label, hint, children }: FieldProps) {
  return (
    // biome-ignore lint/a11y/noLabelWithoutControl: the control is its child
    <label className="field">
      <span className="label">{label}</span>
      {children}
      {hint !== undefined && <span className="hint">{hint}</span>}
    </label>
  );
}
