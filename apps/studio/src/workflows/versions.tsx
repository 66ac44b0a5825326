import type { Workflow, WorkflowChanges } from '@comfy-fleet/client';
import { useQuery } from '@tanstack/react-query';
import { useState } from 'react';
import { Fault } from '../parts/fault.js';
import { timeOf } from '../parts/format.js';
import { useFleet } from '../session.js';
import { changeLabel, publisherOf, shortVersion, shownValue } from './words.js';

interface VersionsProps {
  readonly workflow: Workflow;
  /** Opens a version for editing or publishing again. */
  readonly onOpen: (version: string) => void;
}

/** The versions of a published workflow, and the differences between two of them. */
export function Versions({ workflow: { name, version: newest }, onOpen }: VersionsProps) {
  const fleet = useFleet();
  const { data: versions, error } = useQuery({
    queryKey: ['workflow', name, 'versions', newest],
    queryFn: ({ signal }) => fleet.registry.versions(name, { signal }),
  });
  if (error !== null) return <Fault error={error} />;
  if (versions === undefined) return <div aria-busy="true" />;
  return (
    <>
      <ol className="versions">
        {versions.map(({ version, published_at, published_by }) => (
          <li key={version} className="version">
            <code>{shortVersion(version)}</code>
            <span>
              {published_at !== null && timeOf(published_at)}
              <span className="hint">{publisherOf(published_by)}</span>
            </span>
            {version === newest ? (
              <span className="tag">serves now</span>
            ) : (
              <button type="button" className="quiet" onClick={() => onOpen(version)}>
                Open <span className="sr-only">version {shortVersion(version)}</span>
              </button>
            )}
          </li>
        ))}
      </ol>
      {versions.length > 1 && <Difference name={name} versions={versions.map(({ version }) => version)} />}
    </>
  );
}

interface DifferenceProps {
  readonly name: string;
  /** Newest first; at least two. */
  readonly versions: readonly string[];
}

function Difference({ name, versions }: DifferenceProps) {
  const fleet = useFleet();
  const [[from, to], setChosen] = useState([versions[1] ?? '', versions[0] ?? ''] as const);
  const { data, error } = useQuery({
    queryKey: ['workflow', name, 'changes', from, to],
    queryFn: ({ signal }) => fleet.registry.changes(name, { from, to, signal }),
    staleTime: Number.POSITIVE_INFINITY,
  });
  const choice = (label: string, value: string, choose: (version: string) => void) => (
    <label className="field">
      <span className="label">{label}</span>
      <select value={value} onChange={(event) => choose(event.target.value)}>
        {versions.map((version) => (
          <option key={version} value={version}>
            {shortVersion(version)}
            {version === versions[0] ? ', newest' : ''}
          </option>
        ))}
      </select>
    </label>
  );
  return (
    <section className="difference" aria-label="Difference">
      <h3>Differences</h3>
      <div className="difference-choice">
        {choice('Before', from, (version) => setChosen([version, to]))}
        {choice('After', to, (version) => setChosen([from, version]))}
      </div>
      {error !== null && <Fault error={error} />}
      {data !== undefined && <ChangesView changes={data} />}
    </section>
  );
}

type Change = WorkflowChanges['whole'][number];

interface Part {
  readonly name: string;
  readonly more: string;
  readonly change: 'added' | 'removed' | 'changed';
  readonly changes: readonly Change[];
}

const KINDS: Readonly<Record<Part['change'], string>> = { added: 'added', removed: 'removed', changed: 'changed' };

/** The differences between two versions. */
export function ChangesView({ changes: { whole, inputs, outputs, nodes } }: { readonly changes: WorkflowChanges }) {
  const groups: readonly (readonly [string, readonly Part[]])[] = [
    ['Inputs', inputs.map(({ input, ...part }) => ({ name: input, more: '', ...part }))],
    ['Outputs', outputs.map(({ output, ...part }) => ({ name: output, more: '', ...part }))],
    ['Nodes', nodes.map(({ node_id, title, class_type, ...part }) => nodePart(node_id, title, class_type, part))],
  ];
  const shown = groups.filter(([, parts]) => parts.length > 0);
  if (whole.length === 0 && shown.length === 0) return <p className="hint">No differences.</p>;
  return (
    <div className="changes">
      {whole.length > 0 && <ChangeRows changes={whole} />}
      {shown.map(([title, parts]) => (
        <section key={title} className="changes-group">
          <h3>{title}</h3>
          <ul className="parts">
            {parts.map(({ name, more, change, changes }) => (
              <li key={`${name}${more}`} className="part">
                <p className="part-head">
                  <span className="tag" data-change={change}>
                    {KINDS[change]}
                  </span>
                  <strong className="part-name">{name}</strong>
                  {more !== '' && <span className="hint">{more}</span>}
                </p>
                {changes.length > 0 && <ChangeRows changes={changes} />}
              </li>
            ))}
          </ul>
        </section>
      ))}
    </div>
  );
}

function nodePart(id: string, title: string | null, className: string, part: Pick<Part, 'change' | 'changes'>): Part {
  return { name: title ?? className, more: `node ${id}, ${className}`, ...part };
}

function ChangeRows({ changes }: { readonly changes: readonly Change[] }) {
  return (
    <dl className="change-rows">
      {changes.map(({ what, before, after }) => (
        <div key={what}>
          <dt>{changeLabel(what)}</dt>
          <dd>
            <del>
              <span className="sr-only">before: </span>
              {shownValue(before)}
            </del>
            <span aria-hidden="true"> → </span>
            <ins>
              <span className="sr-only">now: </span>
              {shownValue(after)}
            </ins>
          </dd>
        </div>
      ))}
    </dl>
  );
}
