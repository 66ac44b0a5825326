import type { Workflow } from '@comfy-fleet/client';
import { useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { useLocation } from 'wouter';
import { ConfirmDialog } from '../parts/confirm-dialog.js';
import { useFleet } from '../session/session.js';

/** Takes a published workflow away, after saying what that means. */
export function Unpublish({ workflow: { name, hides_file: hidesFile } }: { readonly workflow: Workflow }) {
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
                <code>POST /workflows/{name}</code> answers 404 from then on, to programs too, and the form is gone from
                Make.
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
