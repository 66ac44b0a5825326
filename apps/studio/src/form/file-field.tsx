import { type ClipboardEvent, type DragEvent, useEffect, useId, useMemo, useState } from 'react';
import { type Field, labelOf } from './fields.js';
import type { FileValue } from './values.js';

interface FileFieldProps {
  readonly field: Field;
  readonly value: FileValue | undefined;
  readonly fault: string | undefined;
  readonly onChange: (value: FileValue | undefined) => void;
}

/** A file by choosing, dropping or pasting it; one of the gallery is put there by the gallery. */
export function FileField({ field, value, fault, onChange }: FileFieldProps) {
  const id = useId();
  const [isOver, setOver] = useState(false);
  const take = (files: FileList | null | undefined) => {
    const [file] = files ?? [];
    if (file !== undefined) onChange({ from: 'disk', file });
    return file !== undefined;
  };
  const drop = (event: DragEvent) => {
    event.preventDefault();
    setOver(false);
    take(event.dataTransfer.files);
  };
  const paste = (event: ClipboardEvent) => {
    if (take(event.clipboardData.files)) event.preventDefault();
  };
  return (
    // biome-ignore lint/a11y/noStaticElementInteractions: the input inside does all that by keyboard
    <div
      className="field drop"
      data-over={isOver}
      onDragOver={(event) => {
        event.preventDefault();
        setOver(true);
      }}
      onDragLeave={() => setOver(false)}
      onDrop={drop}
      onPaste={paste}
    >
      <label className="label" htmlFor={id}>
        {labelOf(field.name)}
      </label>
      <Chosen value={value} name={field.name} />
      <input
        id={id}
        type="file"
        accept={field.accept?.startsWith('application/') ? undefined : field.accept}
        aria-describedby={`${id}-hint`}
        aria-invalid={fault !== undefined}
        onChange={(event) => take(event.target.files)}
      />
      <p className="hint" id={`${id}-hint`}>
        {fault === undefined ? 'Drop a file here, paste one, or take a picture of the gallery by “Use as input”.' : ''}
        {fault !== undefined && <span className="fault">{fault}</span>}
      </p>
      {value !== undefined && (
        <button type="button" className="quiet" onClick={() => onChange(undefined)}>
          Take {labelOf(field.name).toLowerCase()} away
        </button>
      )}
    </div>
  );
}

function Chosen({ value, name }: { readonly value: FileValue | undefined; readonly name: string }) {
  const own = useMemo(
    () =>
      value?.from === 'disk' && value.file.type.startsWith('image/') ? URL.createObjectURL(value.file) : undefined,
    [value],
  );
  useEffect(() => () => (own === undefined ? undefined : URL.revokeObjectURL(own)), [own]);
  if (value === undefined) return null;
  const shown = value.from === 'job' ? value.href : own;
  if (shown !== undefined) return <img className="chosen" src={shown} alt={`Chosen for ${name}`} />;
  return <p>{value.from === 'disk' ? value.file.name : value.name}</p>;
}
