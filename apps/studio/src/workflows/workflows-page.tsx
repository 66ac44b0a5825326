import { useParams } from 'wouter';
import '../styles/workflows.css';
import { EditorPage } from './editor/editor-page.js';
import { NEW } from './paths.js';
import { WorkflowList } from './workflow-list.js';
import { WorkflowPage } from './workflow-page.js';

/** All workflows, one of them, or one that is being prepared. */
export function WorkflowsPage() {
  const { name } = useParams<{ readonly name?: string }>();
  if (name === undefined) return <WorkflowList />;
  return name === NEW ? <EditorPage /> : <WorkflowPage key={name} name={name} />;
}
