import type { WorkflowUpload } from '@comfy-fleet/client';
import { useMutation } from '@tanstack/react-query';
import { type DragEvent, useEffect, useEffectEvent, useId, useState } from 'react';
import { useLocation } from 'wouter';
import { useFleet } from '../session.js';
import { NEW_PATH, nameOfFile, openDraft, useWorkflowDraft } from './draft.js';

interface DropZoneProps {
  readonly label: string;
  readonly isBusy: boolean;
  /** `name` is a suggestion. */
  readonly onUpload: (name: string, upload: WorkflowUpload) => void;
}

/** Accepts a graph, or a picture that contains one, chosen, dropped, or pasted anywhere on the page. */
export function DropZone({ label, isBusy, onUpload }: DropZoneProps) {
  const id = useId();
  const [isOver, setOver] = useState(false);
  const take = async (file: File | undefined) => {
    if (file !== undefined) onUpload(nameOfFile(file.name), isPicture(file) ? typed(file) : await file.text());
  };
  const paste = useEffectEvent((event: ClipboardEvent) => {
    if (event.target instanceof HTMLElement && event.target.closest('input, textarea, select') !== null) return;
    const file = event.clipboardData?.files[0];
    const text = event.clipboardData?.getData('text') ?? '';
    if (file !== undefined) void take(file);
    else if (text.trim().startsWith('{')) onUpload('my-workflow', text);
  });
  useEffect(() => {
    const listen = (event: ClipboardEvent) => paste(event);
    document.addEventListener('paste', listen);
    return () => document.removeEventListener('paste', listen);
  }, []);
  const drop = (event: DragEvent) => {
    event.preventDefault();
    setOver(false);
    void take(event.dataTransfer.files[0]);
  };
  return (
    // biome-ignore lint/a11y/noStaticElementInteractions: the input inside does all that by keyboard
    <div
      className="field drop drop-workflow"
      data-over={isOver}
      aria-busy={isBusy}
      onDragOver={(event) => {
        event.preventDefault();
        setOver(true);
      }}
      onDragLeave={() => setOver(false)}
      onDrop={drop}
    >
      <label className="label" htmlFor={id}>
        {label}
      </label>
      <input
        id={id}
        type="file"
        accept=".json,application/json,image/png,image/webp"
        aria-describedby={`${id}-hint`}
        disabled={isBusy}
        onChange={(event) => {
          void take(event.target.files?.[0]);
          event.target.value = '';
        }}
      />
      <p className="hint" id={`${id}-hint`}>
        Drop, paste or choose a graph that ComfyUI exported (<em>Workflow → Export (API)</em>), or a PNG or WebP that
        ComfyUI saved: its graph is in it.
      </p>
    </div>
  );
}

const PICTURES: Readonly<Record<string, string>> = { png: 'image/png', webp: 'image/webp' };

function isPicture({ name, type }: File): boolean {
  return type === 'image/png' || type === 'image/webp' || /\.(png|webp)$/i.test(name);
}

/** Browsers derive a file's type from its extension, so files without one have no type. */
function typed(file: File): Blob {
  const extension = file.name.split('.').at(-1)?.toLowerCase() ?? '';
  return file.type === '' ? new Blob([file], { type: PICTURES[extension] ?? 'image/png' }) : file;
}

interface OpenRequest {
  readonly name: string;
  /** The upload, or a function that loads it. */
  readonly upload: WorkflowUpload | (() => Promise<string>);
}

/** Opens an upload in the editor. */
export function useOpenDraft() {
  const fleet = useFleet();
  const [, go] = useLocation();
  const [, change] = useWorkflowDraft();
  return useMutation({
    mutationFn: async ({ name, upload }: OpenRequest) =>
      openDraft(fleet, name, typeof upload === 'function' ? await upload() : upload),
    onSuccess: (draft) => {
      change(draft);
      go(NEW_PATH);
    },
  });
}
