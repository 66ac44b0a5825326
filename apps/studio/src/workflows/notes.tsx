import type { Workflow } from '@comfy-fleet/client';
import type { ReactNode } from 'react';

export type Note = Workflow['notes'][number];

const KINDS: Readonly<Record<Note['kind'], string>> = {
  refused: 'ComfyUI would refuse it',
  unsettled: 'Ambiguous',
  odd_default: 'Default',
};

interface NotesProps {
  readonly notes: readonly Note[];
  /** Buttons that resolve a note. */
  readonly actions?: (note: Note) => ReactNode;
}

/** Notes for the author of a workflow. */
export function Notes({ notes, actions }: NotesProps) {
  return (
    <ul className="notes">
      {notes.map((note) => (
        <li key={note.detail} className="note" data-kind={note.kind}>
          <strong>{KINDS[note.kind]}</strong>
          <p>{note.detail}</p>
          {actions?.(note)}
        </li>
      ))}
    </ul>
  );
}
