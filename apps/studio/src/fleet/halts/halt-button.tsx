import { useMutation, useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { ConfirmDialog } from '../../parts/confirm-dialog.js';
import { useFleet } from '../../session/session.js';
import { type Change, consequencesOf, nameOf, type Picture, type Target } from './consequences.js';

interface HaltButtonProps {
  readonly target: Target;
  readonly isHalted: boolean;
  readonly picture: Picture;
}

/** Halts something or has it go on, once it was said what that does. */
export function HaltButton({ target, isHalted, picture }: HaltButtonProps) {
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
      {change !== undefined && <HaltDialog change={change} picture={picture} onClose={() => setChange(undefined)} />}
    </>
  );
}

interface HaltDialogProps {
  readonly change: Change;
  readonly picture: Picture;
  readonly onClose: () => void;
}

function HaltDialog({ change, picture, onClose }: HaltDialogProps) {
  const { halts } = useFleet();
  const queries = useQueryClient();
  const make = useMutation({
    mutationFn: () => {
      const { action, target } = change;
      if (target.kind === 'instance') {
        return action === 'halt' ? halts.drain(target.name) : halts.resumeInstance(target.name);
      }
      const pool = target.kind === 'pool' ? { pool: target.name } : {};
      return action === 'halt' ? halts.pause(pool) : halts.resume(pool);
    },
    onSuccess: async () => {
      await queries.invalidateQueries({ queryKey: ['fleet', 'now'] });
      onClose();
    },
  });
  return (
    <ConfirmDialog
      title={`${nameOf(change)}?`}
      action={nameOf(change)}
      isPending={make.isPending}
      error={make.error}
      onConfirm={() => make.mutate()}
      onClose={onClose}
    >
      <ul className="consequences">
        {consequencesOf(change, picture).map((sentence) => (
          <li key={sentence}>{sentence}</li>
        ))}
      </ul>
    </ConfirmDialog>
  );
}
