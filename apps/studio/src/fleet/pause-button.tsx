import type { AdminStatus, Halts } from '@comfy-fleet/client';
import { useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { ConfirmDialog } from '../parts/dialogs.js';
import { useFleet } from '../session.js';
import { type Change, consequencesOf, type FleetSnapshot, nameOf, type Target } from './pause-consequences.js';

interface PauseButtonProps {
  readonly target: Target;
  readonly isPaused: boolean;
  readonly snapshot: FleetSnapshot;
}

/** Pauses, drains or resumes a target, after a dialog that explains the consequences. */
export function PauseButton({ target, isPaused, snapshot }: PauseButtonProps) {
  const { halts } = useFleet();
  const queries = useQueryClient();
  const [change, setChange] = useState<Change>();
  const now: Change = { action: isPaused ? 'resume' : 'pause', target };
  const word = isPaused ? 'Resume' : target.kind === 'instance' ? 'Drain' : 'Pause';
  return (
    <>
      <button
        type="button"
        onClick={() => setChange(now)}
        aria-label={target.kind === 'fleet' ? undefined : nameOf(now)}
      >
        {target.kind === 'fleet' ? nameOf(now) : word}
      </button>
      {change !== undefined && (
        <ConfirmDialog
          title={`${nameOf(change)}?`}
          action={nameOf(change)}
          onConfirm={async () => {
            await make(halts, change);
            await queries.invalidateQueries({ queryKey: ['fleet', 'now'] });
          }}
          onClose={() => setChange(undefined)}
        >
          <ul className="consequences">
            {consequencesOf(change, snapshot).map((sentence) => (
              <li key={sentence}>{sentence}</li>
            ))}
          </ul>
        </ConfirmDialog>
      )}
    </>
  );
}

function make(halts: Halts, { action, target }: Change): Promise<AdminStatus> {
  if (target.kind === 'instance') {
    return action === 'pause' ? halts.drain(target.name) : halts.resumeInstance(target.name);
  }
  const pool = target.kind === 'pool' ? { pool: target.name } : {};
  return action === 'pause' ? halts.pause(pool) : halts.resume(pool);
}
