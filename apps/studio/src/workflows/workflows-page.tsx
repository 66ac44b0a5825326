import type { WorkflowList as List } from '@comfy-fleet/client';
import { useQuery } from '@tanstack/react-query';
import { useState } from 'react';
import { Link, useParams } from 'wouter';
import { Fault } from '../parts/fault.js';
import { timeOf } from '../parts/format.js';
import { useTitle } from '../parts/hooks.js';
import { useFleet, useIsAdmin } from '../session.js';
import { NEW, NEW_PATH, pathOf, useWorkflowDraft } from './draft.js';
import { DropZone, useOpenDraft } from './drop-zone.js';
import { EditorPage } from './editor/editor-page.js';
import { publisherOf, shortVersion } from './words.js';
import { WorkflowPage } from './workflow-page.js';

/** The list of workflows, one workflow, or the editor. */
export function WorkflowsPage() {
  const { name } = useParams<{ readonly name?: string }>();
  if (name === undefined) return <WorkflowList />;
  return name === NEW ? <EditorPage /> : <WorkflowPage key={name} name={name} />;
}

/** With more workflows than this, the list can be searched. */
const MANY = 8;

/** All workflows; admins also see faults, and can drop a file to publish. */
export function WorkflowList() {
  useTitle('Workflows');
  const fleet = useFleet();
  const isAdmin = useIsAdmin();
  const [search, setSearch] = useState('');
  const { data, error } = useQuery({
    queryKey: ['workflows', 'all'],
    queryFn: ({ signal }) => fleet.registry.list({ signal }),
  });
  const words = search.toLowerCase();
  const shown = data?.data.filter(({ name, description }) => `${name} ${description}`.toLowerCase().includes(words));
  return (
    <div className="workflows">
      <h1>Workflows</h1>
      {isAdmin && <Publish />}
      {error !== null && <Fault error={error} />}
      {isAdmin && data !== undefined && data.faults.length > 0 && <Faults faults={data.faults} />}
      {data !== undefined && data.data.length > MANY && (
        <label className="field search">
          <span className="label">Find</span>
          <input type="search" value={search} onChange={(event) => setSearch(event.target.value)} />
        </label>
      )}
      <ul className="card workflow-rows" aria-busy={data === undefined && error === null}>
        {shown?.map((one) => (
          <Row key={one.name} workflow={one} />
        ))}
      </ul>
      {shown?.length === 0 && <p className="empty">No workflow matches.</p>}
    </div>
  );
}

function Row({ workflow }: { readonly workflow: List['data'][number] }) {
  const { name, description, source, version, published_at: at, published_by: by } = workflow;
  return (
    <li className="workflow-row">
      <div>
        <Link className="workflow-name" href={pathOf(name)}>
          {name}
        </Link>
        {description !== null && <p className="hint">{description}</p>}
      </div>
      <span className="tag" data-source={source}>
        {source === 'folder' ? 'file' : 'published'}
      </span>
      <p className="hint workflow-when">
        <code>{shortVersion(version)}</code>
        {at !== null && ` · ${timeOf(at)}`}
        {publisherOf(by)}
      </p>
    </li>
  );
}

function Publish() {
  const open = useOpenDraft();
  const [draft] = useWorkflowDraft();
  return (
    <section className="card publish-first" aria-label="Publish a workflow">
      <DropZone
        label="Publish a workflow"
        isBusy={open.isPending}
        onUpload={(name, upload) => open.mutate({ name, upload })}
      />
      {open.error !== null && <Fault error={open.error} />}
      {draft !== undefined && (
        <p>
          <Link href={NEW_PATH}>Continue with {draft.name}</Link>, which is not published yet.
        </p>
      )}
    </section>
  );
}

function Faults({ faults }: { readonly faults: List['faults'] }) {
  return (
    <section className="card faults" aria-label="What cannot be used">
      <h2>Cannot be used</h2>
      <p className="hint">A workflow that worked before stays in use in its last valid version.</p>
      <ul>
        {faults.map(({ source, detail }) => (
          <li key={detail}>
            <span className="fault">{detail}</span>{' '}
            <span className="hint">({source === 'folder' ? 'a file on the server' : 'published'})</span>
          </li>
        ))}
      </ul>
    </section>
  );
}
