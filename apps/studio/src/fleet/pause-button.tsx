import type { AdminStatus, Halts } from '@comfy-fleet/client';
import { useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { ConfirmDialog } from '../parts/dialogs.js';
import { useFleet } from '../session.js';
import { type Change, consequencesOf, nameOf, type Picture, type Target } from './pause-consequences.js';

interface HaltButtonProps {
  readonly target: Target;
  readonly isHalted: boolean;
  readonly picture: Picture;
}

/** Halts something or has it go on, once it was said what that does. */
export function HaltButton({ target, isHalted, picture }: HaltButtonProps) {
  const { halts } = useFleet();
  const queries = useQueryClient();
  const [change, setChange] = useState<Change>();
  const now: Change = { action: isHalted ? 'resume' : 'halt', target };
  const word = isHalted ? 'Resume' : target.kind === 'instance' ? 'Drain' : 'Pause';
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
            {consequencesOf(change, picture).map((sentence) => (
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
    return action === 'halt' ? halts.drain(target.name) : halts.resumeInstance(target.name);
  }
  const pool = target.kind === 'pool' ? { pool: target.name } : {};
  return action === 'halt' ? halts.pause(pool) : halts.resume(pool);
}
