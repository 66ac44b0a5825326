import { FleetError, type Workflow, type WorkflowInspection } from '@comfy-fleet/client';
import { keepPreviousData, useQuery } from '@tanstack/react-query';
import { useEffect, useState } from 'react';
import { Link } from 'wouter';
import { Fault } from '../../parts/fault.js';
import { useTitle } from '../../parts/hooks.js';
import { useFleet, useIsAdmin } from '../../session.js';
import { bodyOf, type Draft, useWorkflowDraft, WORKFLOW_NAME } from '../draft.js';
import { entryAt, type InputsFile, NAME, withOutput } from '../inputs-file.js';
import { type Note, Notes } from '../notes.js';
import { WhoCanRun } from '../who-can-run.js';
import { InputRows } from './input-rows.js';
import { NodeList } from './node-list.js';
import { PublishPanel } from './publish-panel.js';
import { readText, SettingField } from './setting-field.js';
import { TryIt } from './try-it.js';

/** The editor: names and binds the inputs of a draft, tries it and publishes it. */
export function EditorPage() {
  useTitle('Publish a workflow');
  const isAdmin = useIsAdmin();
  const [draft, change] = useWorkflowDraft();
  return (
    <div className="workflows">
      <Link href="/workflows">All workflows</Link>
      {!isAdmin ? (
        <>
          <h1>Publish a workflow</h1>
          <p>
            To publish workflows, an API key needs the right <code>admin</code>.
          </p>
        </>
      ) : draft === undefined ? (
        <>
          <h1>Publish a workflow</h1>
          <p className="empty">There is no draft. Drop a graph on the Workflows page.</p>
        </>
      ) : (
        <Editor draft={draft} onChange={change} />
      )}
    </div>
  );
}

interface EditorProps {
  readonly draft: Draft;
  readonly onChange: (draft: Draft) => void;
}

function Editor({ draft, onChange }: EditorProps) {
  const { data: inspection, error, isPlaceholderData } = useInspection(draft);
  const { name, file } = draft;
  const changeFile = (next: InputsFile) => onChange({ ...draft, file: next });
  const add = (input: string, node: string, widget: string | undefined) => {
    const entry = widget === undefined ? { node } : entryAt([{ node, widget }]);
    changeFile({ ...file, inputs: { ...file.inputs, [input]: entry } });
  };
  const workflow = inspection?.workflow;
  const names = workflow?.found.map(({ input }) => input) ?? [];
  return (
    <>
      <h1>Publish a workflow</h1>
      {draft.isCarriedOver && (
        <p className="card carried" role="status">
          The names and settings of the current version's inputs are kept for this graph.{' '}
          <button
            type="button"
            className="quiet"
            onClick={() => onChange({ ...draft, file: {}, isCarriedOver: false })}
          >
            Start over
          </button>
        </p>
      )}
      <div className="workflow-columns">
        <div className="workflow-main">
          <section className="card section" aria-label="The workflow">
            <div className="settings">
              <SettingField
                label="Name"
                value={name}
                read={(text) => (WORKFLOW_NAME.test(text) ? { is: text } : undefined)}
                fault="1 to 64 of A-Z a-z 0-9 . _ -, a letter or digit first; graph is reserved"
                hint="Callers run it by this name."
                onChange={(to) => onChange({ ...draft, name: to })}
              />
              <div className="wide">
                <SettingField
                  label="Description"
                  value={file.description ?? ''}
                  read={readText}
                  hint="Shown where callers choose a workflow."
                  onChange={(description) => changeFile({ ...file, description })}
                />
              </div>
            </div>
            {error !== null && <PublishFaults error={error} />}
          </section>
          {workflow !== undefined && inspection !== undefined && (
            <>
              {workflow.notes.length > 0 && (
                <section className="card section" aria-label="Notes">
                  <h2>Notes</h2>
                  <p className="hint">None of these prevents publishing.</p>
                  <Notes
                    notes={workflow.notes}
                    actions={(note) => (
                      <NodeChoice
                        note={note}
                        nodes={inspection.nodes}
                        onChoose={(node) => add(note.input ?? '', node, undefined)}
                      />
                    )}
                  />
                </section>
              )}
              <section className="card section" aria-label="Inputs">
                <h2>Inputs</h2>
                <InputRows workflow={workflow} file={file} onChange={changeFile} />
              </section>
              <section className="card section" aria-label="Outputs">
                <h2>Outputs</h2>
                <OutputRows outputs={workflow.outputs} file={file} onChange={changeFile} />
              </section>
              <section className="card section" aria-label="Nodes">
                <details>
                  <summary>
                    <h2>Nodes of the graph ({inspection.nodes.length})</h2>
                  </summary>
                  <NodeList
                    nodes={inspection.nodes}
                    workflow={workflow}
                    onInput={({ node_id, class_type }, widget) =>
                      add(freeName(names, widget, class_type), node_id, widget)
                    }
                  />
                </details>
              </section>
            </>
          )}
        </div>
        {workflow !== undefined && inspection !== undefined && (
          <div className="workflow-side workflow-side-stays">
            <section className="card section" aria-label="Publish">
              <h2>Publish</h2>
              <PublishPanel
                draft={draft}
                inspection={inspection}
                isFaulty={error !== null || isPlaceholderData || !WORKFLOW_NAME.test(name)}
              />
            </section>
            <section className="card section" aria-label="Try it">
              <h2>Try it</h2>
              <p className="hint">Runs this draft once; nothing is published.</p>
              <TryIt draft={draft} workflow={workflow} />
            </section>
            <section className="card section" aria-label="Who can run it">
              <h2>Who can run it</h2>
              <WhoCanRun pools={workflow.pools} />
            </section>
          </div>
        )}
      </div>
    </>
  );
}

function freeName(taken: readonly string[], widget: string, className: string): string {
  const plain = widget.replaceAll(/[^A-Za-z0-9_-]+/g, '_').replace(/^[^A-Za-z]+/, '') || 'input';
  const names = [plain, `${className.replaceAll(/[^A-Za-z0-9]+/g, '_').toLowerCase()}_${plain}`];
  const free = names.find((one) => !taken.includes(one) && NAME.test(one));
  return free ?? `${plain}_${taken.length + 1}`;
}

const PAUSE_MS = 300;

/** The result of publishing the draft, asked for after a pause in typing; while the draft is invalid, the last valid result. */
function useInspection(draft: Draft) {
  const fleet = useFleet();
  const asked = useLate({ name: draft.name, body: bodyOf(draft) });
  return useQuery({
    queryKey: ['workflow-inspection', asked],
    queryFn: ({ signal }) => fleet.registry.inspect(asked.name, asked.body, { signal }),
    enabled: WORKFLOW_NAME.test(asked.name),
    placeholderData: keepPreviousData,
    staleTime: 30_000,
    gcTime: 60_000,
  });
}

function useLate<T extends Readonly<Record<string, string>>>(value: T): T {
  const [late, setLate] = useState(value);
  const text = JSON.stringify(value);
  useEffect(() => {
    const timer = setTimeout(() => setLate(JSON.parse(text) as T), PAUSE_MS);
    return () => clearTimeout(timer);
  }, [text]);
  return late;
}

interface OutputRowsProps {
  readonly outputs: Workflow['outputs'];
  readonly file: InputsFile;
  readonly onChange: (file: InputsFile) => void;
}

/** Names the outputs that were found. */
function OutputRows({ outputs, file, onChange }: OutputRowsProps) {
  if (outputs.length === 0) return <p className="hint">It saves nothing.</p>;
  return (
    <div className="settings">
      {outputs.map(({ name, node_id: node, class_type }) => (
        <SettingField
          key={node}
          label={`${class_type}, node ${node}`}
          value={name}
          read={(text) => {
            const isFree = text === name || outputs.every((other) => other.name !== text);
            return NAME.test(text) && isFree ? { is: text } : undefined;
          }}
          fault="Up to 64 letters, digits, - and _, a letter first, and no other output’s name"
          onChange={(to) => to !== name && onChange(withOutput(file, node, to))}
        />
      ))}
    </div>
  );
}

interface NodeChoiceProps {
  readonly note: Note;
  readonly nodes: WorkflowInspection['nodes'];
  readonly onChoose: (node: string) => void;
}

/** Buttons to choose one of several nodes for an ambiguous input. */
function NodeChoice({ note: { kind, input, node_ids: ids }, nodes, onChoose }: NodeChoiceProps) {
  if (kind !== 'unsettled' || input === null || !NAME.test(input)) return null;
  return (
    <div className="buttons">
      {nodes
        .filter(({ node_id }) => ids.includes(node_id))
        .map(({ node_id: node, title, class_type }) => (
          <button key={node} type="button" onClick={() => onChoose(node)}>
            Use {input} of {title ?? class_type}, node {node}
          </button>
        ))}
    </div>
  );
}

/** Why the draft cannot be published, with each fault of the graph. */
function PublishFaults({ error }: { readonly error: Error }) {
  const errors = error instanceof FleetError ? error.errors : [];
  if (errors.length === 0) return <Fault error={error} />;
  return (
    <div role="alert">
      <p className="fault">It cannot be published like this:</p>
      <ul className="notes">
        {errors.map(({ pointer, detail }) => (
          <li key={`${pointer} ${detail}`} className="note" data-kind="refused">
            <p>{detail}</p>
          </li>
        ))}
      </ul>
    </div>
  );
}
