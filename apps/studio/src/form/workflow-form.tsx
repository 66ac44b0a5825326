import type { LodProfile } from '@comfy-fleet/client';
import { useEffect } from 'react';
import type { Field, FileValue, FormValues } from './fields.js';
import { FileField } from './file-field.js';
import { TextField } from './text-field.js';

interface WorkflowFormProps {
  readonly fields: readonly Field[];
  readonly values: FormValues;
  readonly faults: Readonly<Record<string, string>>;
  /** The profile of the chosen level of detail. */
  readonly profile: LodProfile | undefined;
  readonly onChange: (name: string, value: string | FileValue | undefined) => void;
}

/** The inputs of a workflow, with advanced ones folded away. */
export function WorkflowForm({ fields, values, faults, profile, onChange }: WorkflowFormProps) {
  usePastedFile(fields, values, onChange);
  const shown = (field: Field) => {
    const { name } = field;
    const value = values[name];
    const common = { field, fault: faults[name] };
    if (field.kind === 'file') {
      const file = typeof value === 'object' ? value : undefined;
      const base = baseOf(field, fields, values);
      return <FileField key={name} {...common} value={file} base={base} onChange={(given) => onChange(name, given)} />;
    }
    const text = typeof value === 'string' ? value : '';
    const preset = presetOf(field, profile);
    return (
      <TextField key={name} {...common} value={text} preset={preset} onChange={(given) => onChange(name, given)} />
    );
  };
  const advanced = fields.filter(({ isAdvanced }) => isAdvanced);
  const isFaulty = advanced.some(({ name }) => faults[name] !== undefined);
  return (
    <>
      {fields.filter(({ isAdvanced }) => !isAdvanced).map(shown)}
      {advanced.length > 0 && (
        <details className="advanced" {...(isFaulty ? { open: true } : {})}>
          <summary>Advanced</summary>
          <div className="advanced-fields">{advanced.map(shown)}</div>
        </details>
      )}
    </>
  );
}

/** The picture to paint a mask over: the field's own, or the first other picture in the form. */
function baseOf({ name, mask }: Field, fields: readonly Field[], values: FormValues): FileValue | undefined {
  const pictures = mask === 'alpha' ? [name] : fields.filter((one) => one.mask !== 'white').map((one) => one.name);
  const found = pictures.map((one) => values[one]).find((value) => typeof value === 'object');
  return typeof found === 'object' && found.from === 'disk' ? (found.plain ?? found) : (found as FileValue | undefined);
}

/** The default of a field: the level of detail's value, otherwise the workflow's. */
function presetOf({ name, preset }: Field, profile: LodProfile | undefined): string | undefined {
  const own = profile?.[name as keyof LodProfile];
  if (own !== undefined) return String(own);
  const isSize = name === 'width' || name === 'height';
  if (!isSize || profile === undefined || preset === undefined) return preset;
  return String(Math.round((Number(preset) * profile.scale) / 8) * 8);
}

/** Puts a file that is pasted anywhere on the page into the first empty file field, or else the first one. */
function usePastedFile(
  fields: readonly Field[],
  values: FormValues,
  onFile: (name: string, value: FileValue) => void,
): void {
  useEffect(() => {
    const paste = (event: ClipboardEvent) => {
      const [file] = event.clipboardData?.files ?? [];
      const places = fields.filter(({ kind }) => kind === 'file');
      const place = places.find(({ name }) => values[name] === undefined) ?? places[0];
      // A field that received the paste itself has handled it.
      if (file === undefined || place === undefined || event.defaultPrevented) return;
      event.preventDefault();
      onFile(place.name, { from: 'disk', file });
    };
    document.addEventListener('paste', paste);
    return () => document.removeEventListener('paste', paste);
  }, [fields, values, onFile]);
}
