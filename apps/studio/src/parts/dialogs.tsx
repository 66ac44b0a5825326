import { useMutation } from '@tanstack/react-query';
import { type ReactNode, useEffect, useId, useRef } from 'react';
import { Fault } from './fault.js';

interface DialogProps {
  readonly title: string;
  readonly onClose: () => void;
  readonly children: ReactNode;
}

/** A modal dialog that its button or Escape closes. */
export function Dialog({ title, onClose, children }: DialogProps) {
  const dialog = useRef<HTMLDialogElement>(null);
  const id = useId();
  useEffect(() => {
    dialog.current?.showModal();
  }, []);
  return (
    <dialog ref={dialog} className="dialog" aria-labelledby={id} onClose={onClose}>
      <div className="dialog-head">
        <h2 id={id}>{title}</h2>
        <button type="button" className="quiet" onClick={() => dialog.current?.close()}>
          Close
        </button>
      </div>
      {children}
    </dialog>
  );
}

interface ConfirmDialogProps {
  readonly title: string;
  /** The consequences, in sentences. */
  readonly children: ReactNode;
  /** The label of the confirming button. */
  readonly action: string;
  /** If it rejects, the dialog stays open and shows the error. */
  readonly onConfirm: () => Promise<unknown>;
  readonly onClose: () => void;
}

/** Explains the consequences and asks for confirmation. */
export function ConfirmDialog({ title, children, action, onConfirm, onClose }: ConfirmDialogProps) {
  const dialog = useRef<HTMLDialogElement>(null);
  const leave = useRef<HTMLButtonElement>(null);
  const heading = useId();
  const act = useMutation({ mutationFn: onConfirm, onSuccess: () => dialog.current?.close() });
  useEffect(() => {
    dialog.current?.showModal();
    leave.current?.focus(); // Enter by mistake changes nothing
  }, []);
  return (
    <dialog ref={dialog} className="card confirm" aria-labelledby={heading} onClose={onClose}>
      <h2 id={heading}>{title}</h2>
      {children}
      {act.error !== null && <Fault error={act.error} />}
      <div className="confirm-buttons">
        <button type="button" className="primary" disabled={act.isPending} onClick={() => act.mutate()}>
          {action}
        </button>
        <button type="button" ref={leave} onClick={() => dialog.current?.close()}>
          Keep it as it is
        </button>
      </div>
    </dialog>
  );
}
