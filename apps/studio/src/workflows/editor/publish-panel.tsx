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
  /** The draft as it is now cannot be published. */
  readonly isFaulty: boolean;
}

/** Says what publishing means, and does it. */
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
      queries.removeQueries({ queryKey: ['workflow', name] }); // its page is not to show the version before
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
          <summary>What is different from the version that serves</summary>
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
  if (outcome === 'new') return `It becomes POST /workflows/${name}, and a form on the Make page.`;
  const call = { text2img: 'POST /generate', img2img: 'POST /img2img' }[name] ?? `POST /workflows/${name}`;
  const file = hidesFile ? ' The file of that name is kept, and used again if you unpublish this.' : '';
  return `${call} runs this version from then on. Jobs that were already accepted keep theirs.${file}`;
}
