import { useMutation } from '@tanstack/react-query';
import { type ReactNode, useEffect, useId, useRef } from 'react';
import { Fault } from './fault.js';

interface DialogProps {
  readonly title: string;
  readonly onClose: () => void;
  readonly children: ReactNode;
}

/** A window over the page, closed by its button and by Escape. */
export function Dialog({ title, onClose, children }: DialogProps) {
  const dialog = useRef<HTMLDialogElement>(null);
  const id = useId();
  useEffect(() => dialog.current?.showModal(), []);
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
  /** What it will do, in sentences. */
  readonly children: ReactNode;
  /** Of the button that does it. */
  readonly action: string;
  /** Does it; the dialog stays, with the error, when it rejects. */
  readonly onConfirm: () => Promise<unknown>;
  readonly onClose: () => void;
}

/** Says what will happen, and waits for a yes. */
export function ConfirmDialog({ title, children, action, onConfirm, onClose }: ConfirmDialogProps) {
  const dialog = useRef<HTMLDialogElement>(null);
  const leave = useRef<HTMLButtonElement>(null);
  const heading = useId();
  const act = useMutation({ mutationFn: onConfirm, onSuccess: () => dialog.current?.close() });
  useEffect(() => {
    dialog.current?.showModal();
    leave.current?.focus(); // a slip does nothing
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
          Leave it as it is
        </button>
      </div>
    </dialog>
  );
}
