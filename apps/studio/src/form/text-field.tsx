import { useId } from 'react';
import { type Field, labelOf } from './fields.js';

interface TextFieldProps {
  readonly field: Field;
  readonly value: string;
  /** The value if the field is empty, from the level of detail or the workflow. */
  readonly preset: string | undefined;
  readonly fault: string | undefined;
  readonly onChange: (value: string) => void;
}

/** A text, number or choice input. */
export function TextField({ field, value, preset, fault, onChange }: TextFieldProps) {
  const id = useId();
  const told = [...(fault === undefined ? [] : [`${id}-fault`]), ...(field.description ? [`${id}-hint`] : [])];
  const common = {
    id,
    value,
    'aria-invalid': fault !== undefined,
    'aria-describedby': told.join(' ') || undefined,
    required: field.isRequired,
  };
  const offersFiles = field.options.some((option) => /\.[a-z]\w+$/i.test(option));
  return (
    <div className={`field field-${field.kind}${offersFiles ? ' field-files' : ''}`}>
      <label className="label" htmlFor={id}>
        {labelOf(field.name)}
      </label>
      <Control field={field} preset={preset} common={common} onChange={onChange} />
      {fault !== undefined && (
        <p className="fault" id={`${id}-fault`}>
          {fault}
        </p>
      )}
      {field.description && (
        <p className={field.kind === 'prompt' ? 'sr-only' : 'hint'} id={`${id}-hint`}>
          {field.description}
        </p>
      )}
    </div>
  );
}

interface ControlProps extends Pick<TextFieldProps, 'field' | 'preset' | 'onChange'> {
  readonly common: Readonly<Record<string, unknown>> & { readonly id: string; readonly value: string };
}

function Control({ field, preset, common, onChange }: ControlProps) {
  const { kind, minimum, maximum, isInteger, options } = field;
  if (kind === 'prompt') {
    return (
      <textarea
        {...common}
        rows={field.isAdvanced ? 2 : 4}
        placeholder={preset}
        onChange={(event) => onChange(event.target.value)}
      />
    );
  }
  if (kind === 'choice' || kind === 'boolean') {
    return (
      <select {...common} onChange={(event) => onChange(event.target.value)}>
        <option value="">{preset === undefined ? 'from the workflow' : `${preset} (default)`}</option>
        {(kind === 'boolean' ? ['true', 'false'] : options).map((option) => (
          <option key={option} value={option}>
            {kind === 'boolean' ? { true: 'yes', false: 'no' }[option] : option}
          </option>
        ))}
      </select>
    );
  }
  // Browsers change type=number inputs with the mouse wheel, and hide text that is not a number.
  const mode = kind === 'text' ? 'text' : isInteger || kind === 'seed' ? 'numeric' : 'decimal';
  const bounds = minimum === undefined || maximum === undefined || kind === 'seed' ? '' : ` (${minimum} to ${maximum})`;
  const placeholder = kind === 'seed' ? 'random each time' : `${preset ?? ''}${kind === 'number' ? bounds : ''}`;
  return (
    <input
      {...common}
      type="text"
      inputMode={mode}
      autoComplete="off"
      placeholder={placeholder}
      onChange={(event) => onChange(event.target.value)}
    />
  );
}
