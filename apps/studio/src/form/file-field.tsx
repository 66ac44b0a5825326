import { type ClipboardEvent, type DragEvent, Suspense, useEffect, useId, useMemo, useState } from 'react';
import { lazyPart } from '../parts/lazy-part.js';
import { type Field, type FileValue, labelOf } from './fields.js';

interface FileFieldProps {
  readonly field: Field;
  readonly value: FileValue | undefined;
  /** The picture to paint a mask over; undefined if none is chosen yet. */
  readonly base: FileValue | undefined;
  readonly fault: string | undefined;
  readonly onChange: (value: FileValue | undefined) => void;
}

const GalleryDialog = lazyPart(async () => (await import('./gallery-dialog.js')).GalleryDialog);
const MaskDialog = lazyPart(async () => (await import('./mask-dialog.js')).MaskDialog);

/** A file input: choose, drop or paste a file, pick one from the gallery, or paint a mask. */
export function FileField({ field, value, base, fault, onChange }: FileFieldProps) {
  const id = useId();
  const [isOver, setOver] = useState(false);
  const [open, setOpen] = useState<'gallery' | 'mask'>();
  const isPicture = field.accept?.startsWith('image/') ?? false;
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
  const close = () => setOpen(undefined);
  const choose = (chosen: FileValue) => {
    onChange(chosen);
    close();
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
      <ChosenFile value={value} name={field.name} />
      <input
        id={id}
        type="file"
        accept={field.accept?.startsWith('application/') ? undefined : field.accept}
        aria-describedby={`${id}-hint`}
        aria-invalid={fault !== undefined}
        onChange={(event) => {
          take(event.target.files);
          event.target.value = ''; // allows choosing the same file again
        }}
      />
      <p className="hint" id={`${id}-hint`}>
        {fault === undefined ? hintOf(field, base) : <span className="fault">{fault}</span>}
      </p>
      <div className="field-actions">
        {field.mask !== undefined && (
          <button type="button" disabled={base === undefined} onClick={() => setOpen('mask')}>
            Paint a mask
          </button>
        )}
        {isPicture && (
          <button type="button" onClick={() => setOpen('gallery')}>
            From the gallery
          </button>
        )}
        {value !== undefined && (
          <button type="button" className="quiet" onClick={() => onChange(undefined)}>
            Remove {labelOf(field.name).toLowerCase()}
          </button>
        )}
      </div>
      <Suspense fallback={null}>
        {open === 'gallery' && <GalleryDialog onChoose={choose} onClose={close} />}
        {open === 'mask' && field.mask !== undefined && base !== undefined && (
          <MaskDialog
            picture={base}
            as={field.mask}
            onDone={(file) => choose({ from: 'disk', file, plain: field.mask === 'alpha' ? base : undefined })}
            onClose={close}
          />
        )}
      </Suspense>
    </div>
  );
}

function hintOf({ mask }: Field, base: FileValue | undefined): string {
  if (mask === 'white' && base === undefined) return 'Choose the picture first, then paint over what should change.';
  if (mask === 'white')
    return 'Paint over what should change, or drop a mask here: white areas change, black areas stay.';
  if (mask === 'alpha') return 'Drop or paste a picture here. Transparent and painted areas change.';
  return 'Drop or paste a file here.';
}

interface ChosenFileProps {
  readonly value: FileValue | undefined;
  /** The input's name. */
  readonly name: string;
}

/** Shows the chosen file: a picture itself, or another file's name. */
function ChosenFile({ value, name }: ChosenFileProps) {
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
