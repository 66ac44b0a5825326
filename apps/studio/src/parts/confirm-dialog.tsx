import { type ReactNode, useEffect, useId, useRef } from 'react';
import { Fault } from './fault.js';

interface ConfirmDialogProps {
  readonly title: string;
  /** What it will do, in sentences. */
  readonly children: ReactNode;
  /** Of the button that does it. */
  readonly action: string;
  readonly isPending: boolean;
  readonly error: Error | null;
  readonly onConfirm: () => void;
  readonly onClose: () => void;
}

/** Says what will happen, and waits for a yes. */
export function ConfirmDialog({ title, children, action, isPending, error, onConfirm, onClose }: ConfirmDialogProps) {
  const dialog = useRef<HTMLDialogElement>(null);
  const heading = useId();
  useEffect(() => dialog.current?.showModal(), []);
  return (
    <dialog ref={dialog} className="card confirm" aria-labelledby={heading} onClose={onClose}>
      <h2 id={heading}>{title}</h2>
      {children}
      {error !== null && <Fault error={error} />}
      <div className="confirm-buttons">
        <button type="button" className="primary" disabled={isPending} onClick={onConfirm}>
          {action}
        </button>
        <button type="button" onClick={() => dialog.current?.close()}>
          Leave it as it is
        </button>
      </div>
    </dialog>
  );
}
