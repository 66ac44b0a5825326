import type { WorkflowChanges } from '@comfy-fleet/client';
import { shownValue, whatOf } from './words.js';

type Change = WorkflowChanges['whole'][number];

interface Part {
  readonly name: string;
  readonly more: string;
  readonly change: 'added' | 'removed' | 'changed';
  readonly changes: readonly Change[];
}

const KINDS: Readonly<Record<Part['change'], string>> = { added: 'new', removed: 'gone', changed: 'changed' };

/** What another version does differently, in words. */
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
          <dt>{whatOf(what)}</dt>
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
