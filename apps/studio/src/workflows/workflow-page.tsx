import type { Workflow } from '@comfy-fleet/client';
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { Link, useLocation } from 'wouter';
import { useDraft } from '../make/draft.js';
import { ConfirmDialog } from '../parts/dialogs.js';
import { Fault } from '../parts/fault.js';
import { timeOf } from '../parts/format.js';
import { useTitle } from '../parts/hooks.js';
import { NodeTimes } from '../parts/node-times.js';
import { useFleet, useIsAdmin } from '../session.js';
import { DropZone, useOpenDraft } from './drop-zone.js';
import { InputList, OutputList } from './input-list.js';
import { Notes } from './notes.js';
import { Versions } from './versions.js';
import { WhoCanRun } from './who-can-run.js';
import { publisherOf, shortVersion } from './words.js';

/** One workflow: its inputs and outputs; admins also see requirements, versions and actions. */
export function WorkflowPage({ name }: { readonly name: string }) {
  const fleet = useFleet();
  useTitle(name);
  const { data: workflow, error } = useQuery({
    queryKey: ['workflow', name],
    queryFn: ({ signal }) => fleet.workflow(name, { signal }),
  });
  return (
    <div className="workflows">
      <Link href="/workflows">All workflows</Link>
      <h1>{name}</h1>
      {error !== null && <Fault error={error} />}
      {workflow !== undefined && <Whole workflow={workflow} />}
    </div>
  );
}

function Whole({ workflow }: { readonly workflow: Workflow }) {
  const isAdmin = useIsAdmin();
  const fleet = useFleet();
  const open = useOpenDraft();
  const { name } = workflow;
  const openVersion = (version: string) =>
    open.mutate({ name, upload: () => fleet.registry.source(name, { version }) });
  return (
    <>
      {workflow.description !== null && <p>{workflow.description}</p>}
      <p className="hint">{originOf(workflow)}</p>
      <Actions workflow={workflow} isAdmin={isAdmin} onEdit={() => openVersion(workflow.version)} />
      {open.error !== null && <Fault error={open.error} />}
      <div className="workflow-columns">
        <div className="workflow-main">
          <section className="card section" aria-label="Inputs">
            <h2>Inputs</h2>
            <InputList workflow={workflow} isDetailed={isAdmin} />
          </section>
          <section className="card section" aria-label="Outputs">
            <h2>Outputs</h2>
            <OutputList outputs={workflow.outputs} />
          </section>
          {isAdmin && workflow.notes.length > 0 && (
            <section className="card section" aria-label="Notes">
              <h2>Notes</h2>
              <Notes notes={workflow.notes} />
            </section>
          )}
        </div>
        {isAdmin && (
          <div className="workflow-side">
            <section className="card section" aria-label="Who can run it">
              <h2>Who can run it</h2>
              <WhoCanRun pools={workflow.pools} />
              <Needs workflow={workflow} />
            </section>
            {workflow.source === 'registry' && (
              <section className="card section" aria-label="Versions">
                <h2>Versions</h2>
                <Versions workflow={workflow} onOpen={openVersion} />
              </section>
            )}
            <section className="card section" aria-label="Another version">
              <DropZone
                label={`Another version of ${name}`}
                isBusy={open.isPending}
                onUpload={(_name, upload) => open.mutate({ name, upload })}
              />
            </section>
          </div>
        )}
      </div>
    </>
  );
}

interface ActionsProps {
  readonly workflow: Workflow;
  readonly isAdmin: boolean;
  readonly onEdit: () => void;
}

function Actions({ workflow, isAdmin, onEdit }: ActionsProps) {
  const { name, source } = workflow;
  const fleet = useFleet();
  const { change } = useDraft();
  const [, go] = useLocation();
  const download = useMutation({
    mutationFn: async () => saveText(`${name}.json`, await fleet.registry.source(name)),
  });
  const make = () => {
    change({ workflow: name, lod: name === 'text2img' || name === 'img2img' ? 'sketch' : undefined, values: {} });
    go('/make');
  };
  return (
    <div className="buttons">
      <button type="button" className="primary" onClick={make}>
        Make with it
      </button>
      {isAdmin && (
        <>
          <button type="button" onClick={onEdit}>
            Edit
          </button>
          <button type="button" disabled={download.isPending} onClick={() => download.mutate()}>
            Download
          </button>
          {source === 'registry' && <Unpublish workflow={workflow} />}
        </>
      )}
      {download.error !== null && <Fault error={download.error} />}
    </div>
  );
}

/** What the workflow requires of an instance, and the time of each node. */
function Needs({ workflow: { models, node_classes, node_times } }: { readonly workflow: Workflow }) {
  return (
    <>
      <details>
        <summary>
          Requires {models.length === 1 ? '1 model file' : `${models.length} model files`},{' '}
          {node_classes.length === 1 ? '1 node class' : `${node_classes.length} node classes`}
        </summary>
        <ul className="names">
          {[...models, ...node_classes].map((one) => (
            <li key={one}>{one}</li>
          ))}
        </ul>
      </details>
      {node_times.length > 0 && <NodeTimes nodes={node_times.map(({ ms, ...node }) => ({ ...node, time: ms }))} />}
    </>
  );
}

function originOf({ source, version, published_at: at, published_by: by, hides_file: hidesFile }: Workflow): string {
  const short = shortVersion(version);
  if (source === 'folder') return `A file on the server, version ${short}`;
  const when = at === null ? '' : ` on ${timeOf(at)}`;
  return `Published${when}${publisherOf(by)}, version ${short}${hidesFile ? '; replaces a file on the server' : ''}`;
}

/** Unpublishes a workflow after a confirmation. */
function Unpublish({ workflow: { name, hides_file: hidesFile } }: { readonly workflow: Workflow }) {
  const fleet = useFleet();
  const queries = useQueryClient();
  const [, go] = useLocation();
  const [isOpen, setOpen] = useState(false);
  const unpublish = async () => {
    await fleet.registry.delete(name);
    go('/workflows');
    queries.removeQueries({ queryKey: ['workflow', name] });
    await queries.invalidateQueries({ queryKey: ['workflows'] });
  };
  return (
    <>
      <button type="button" onClick={() => setOpen(true)}>
        Unpublish…
      </button>
      {isOpen && (
        <ConfirmDialog
          title={`Unpublish ${name}?`}
          action={`Unpublish ${name}`}
          onConfirm={unpublish}
          onClose={() => setOpen(false)}
        >
          <ul className="consequences">
            {hidesFile ? (
              <li>The file {name}.json on the server is used again, at the same address.</li>
            ) : (
              <li>
                <code>POST /workflows/{name}</code> will answer 404, and Make will no longer offer the workflow.
              </li>
            )}
            <li>Jobs that were already accepted still run; their pictures are kept.</li>
            <li>Its versions are deleted. To keep a copy, close this and use Download first.</li>
          </ul>
        </ConfirmDialog>
      )}
    </>
  );
}

/** Downloads a text as a file. */
function saveText(name: string, text: string): void {
  const href = URL.createObjectURL(new Blob([text], { type: 'application/json' }));
  const link = document.createElement('a');
  link.href = href;
  link.download = name;
  link.click();
  URL.revokeObjectURL(href);
}
