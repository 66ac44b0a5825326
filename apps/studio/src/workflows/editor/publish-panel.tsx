import type { WorkflowInspection } from '@comfy-fleet/client';
import { useMutation, useQueryClient } from '@tanstack/react-query';
import { useLocation } from 'wouter';
import { Fault } from '../../parts/fault.js';
import { useFleet } from '../../session.js';
import { bodyOf, type Draft, pathOf, useWorkflowDraft } from '../draft.js';
import { ChangesView } from '../versions.js';

interface PublishPanelProps {
  readonly draft: Draft;
  readonly inspection: WorkflowInspection;
  /** The current draft cannot be published. */
  readonly isFaulty: boolean;
}

/** Explains the consequences of publishing, and publishes. */
export function PublishPanel({ draft, inspection, isFaulty }: PublishPanelProps) {
  const fleet = useFleet();
  const queries = useQueryClient();
  const [, go] = useLocation();
  const [, change] = useWorkflowDraft();
  const { name } = draft;
  const { outcome, changes } = inspection;
  const publish = useMutation({
    mutationFn: () => fleet.registry.publish(name, bodyOf(draft)),
    onSuccess: async () => {
      queries.removeQueries({ queryKey: ['workflow', name] }); // its page must not show the previous version
      await queries.invalidateQueries({ queryKey: ['workflows'] });
      go(pathOf(name));
      change(undefined);
    },
  });
  return (
    <>
      <p className="hint">{consequenceOf(inspection)}</p>
      {changes !== null && outcome === 'changed' && (
        <details className="what-changes">
          <summary>Differences from the current version</summary>
          <ChangesView changes={changes} />
        </details>
      )}
      <div className="buttons">
        <button
          type="button"
          className="primary"
          disabled={isFaulty || outcome === 'same' || publish.isPending}
          onClick={() => publish.mutate()}
        >
          {outcome === 'changed' ? 'Publish this version' : 'Publish'}
        </button>
        <button
          type="button"
          onClick={() => {
            go('/workflows');
            change(undefined);
          }}
        >
          Discard
        </button>
      </div>
      {publish.error !== null && <Fault error={publish.error} />}
    </>
  );
}

function consequenceOf({ outcome, workflow: { name, hides_file: hidesFile } }: WorkflowInspection): string {
  if (outcome === 'same') return `This is already the current version of ${name}.`;
  if (outcome === 'new') return `It becomes available at POST /workflows/${name} and on the Make page.`;
  const call = { text2img: 'POST /generate', img2img: 'POST /img2img' }[name] ?? `POST /workflows/${name}`;
  const file = hidesFile ? ' The file with this name is kept, and used again if you unpublish the workflow.' : '';
  return `${call} will run this version. Jobs that were already accepted keep theirs.${file}`;
}
