import type { WorkflowUpload } from '@comfy-fleet/client';
import { useMutation } from '@tanstack/react-query';
import { useLocation } from 'wouter';
import { useFleet } from '../session/session.js';
import { openDraft, useWorkflowDraft } from './draft.js';
import { NEW_PATH } from './paths.js';

interface Wish {
  readonly name: string;
  /** What was dropped, or what gets it. */
  readonly upload: WorkflowUpload | (() => Promise<string>);
}

/** Opens what can be published on the page where it is prepared. */
export function useOpen() {
  const fleet = useFleet();
  const [, go] = useLocation();
  const [, change] = useWorkflowDraft();
  return useMutation({
    mutationFn: async ({ name, upload }: Wish) =>
      openDraft(fleet, name, typeof upload === 'function' ? await upload() : upload),
    onSuccess: (draft) => {
      change(draft);
      go(NEW_PATH);
    },
  });
}
