import { Link } from 'wouter';
import { useTitle } from '../../parts/use-title.js';
import { type Draft, useWorkflowDraft, WORKFLOW_NAME } from '../draft.js';
import { entryAt, type InputsFile, NAME } from '../inputs-file.js';
import { Notes } from '../notes.js';
import { useIsAdmin } from '../use-is-admin.js';
import { WhoCanRun } from '../who-can-run.js';
import { InputRows } from './input-rows.js';
import { NodeList } from './node-list.js';
import { OutputRows } from './output-rows.js';
import { PublishPanel } from './publish-panel.js';
import { Refusal } from './refusal.js';
import { readText, SettingField } from './setting-field.js';
import { Settle } from './settle.js';
import { TryIt } from './try-it.js';
import { useInspection } from './use-inspection.js';

/** A workflow that is being prepared: named, bound, tried, published. */
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
          <p className="empty">There is nothing here yet: drop a graph on the Workflows page.</p>
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
          What the version that serves says of its inputs is kept for this graph.{' '}
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
                  hint="Shown where it is chosen."
                  onChange={(description) => changeFile({ ...file, description })}
                />
              </div>
            </div>
            {error !== null && <Refusal error={error} />}
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
                      <Settle
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
