import { useId, useState } from 'react';
import type { Field } from '../../form/fields.js';
import { shownValue } from '../words.js';

interface SettingFieldProps<T> {
  readonly label: string;
  readonly value: string;
  readonly hint?: string;
  readonly placeholder?: string;
  readonly isNumber?: boolean;
  readonly isLong?: boolean;
  /** Parses the text; undefined if it is invalid. An empty text unsets the setting. */
  readonly read: (text: string) => { readonly is: T } | undefined;
  readonly onChange: (value: T) => void;
  readonly fault?: string;
}

/** A text field that reports each valid value at once; invalid text stays only in the field. */
export function SettingField<T>(props: SettingFieldProps<T>) {
  const { label, value, hint, placeholder, isNumber = false, isLong = false, read, onChange, fault } = props;
  const id = useId();
  const [text, setText] = useState(value);
  const [seen, setSeen] = useState(value);
  const taken = read(text);
  const isWrong = taken === undefined;
  if (value !== seen) {
    setSeen(value);
    // the value was changed elsewhere
    if (textOf(taken?.is) !== value) setText(value);
  }
  const type = (typed: string) => {
    setText(typed);
    const found = read(typed);
    if (found !== undefined) onChange(found.is);
  };
  const told = [...(hint === undefined ? [] : [`${id}-hint`]), ...(isWrong ? [`${id}-fault`] : [])].join(' ');
  const common = {
    id,
    value: text,
    placeholder,
    'aria-invalid': isWrong,
    'aria-describedby': told === '' ? undefined : told,
    autoComplete: 'off',
  };
  return (
    <div className="field">
      <label className="label" htmlFor={id}>
        {label}
      </label>
      {isLong ? (
        <textarea {...common} rows={3} onChange={(event) => type(event.target.value)} />
      ) : (
        <input
          {...common}
          type="text"
          inputMode={isNumber ? 'decimal' : 'text'}
          onChange={(event) => type(event.target.value)}
        />
      )}
      {isWrong && (
        <p className="fault" id={`${id}-fault`}>
          {fault ?? 'Not a number'}
        </p>
      )}
      {hint !== undefined && (
        <p className="hint" id={`${id}-hint`}>
          {hint}
        </p>
      )}
    </div>
  );
}

function textOf(value: unknown): string {
  if (value === undefined) return '';
  return Array.isArray(value) ? value.join('\n') : String(value);
}

/** Reads a number or an empty text. */
export function readNumber(text: string): { readonly is: number | undefined } | undefined {
  if (text.trim() === '') return { is: undefined };
  const number = Number(text);
  return Number.isFinite(number) ? { is: number } : undefined;
}

/** Reads any text; an empty one is undefined. */
export function readText(text: string): { readonly is: string | undefined } {
  return { is: text.trim() === '' ? undefined : text };
}

interface DefaultFieldProps {
  readonly field: Field;
  readonly schema: Readonly<Record<string, unknown>>;
  readonly value: unknown;
  readonly onChange: (value: unknown) => void;
}

/** The default of an input; undefined means the graph's own value. */
export function DefaultField({ field: { kind, preset }, schema, value, onChange }: DefaultFieldProps) {
  const id = useId();
  if (kind === 'file') return null;
  if (kind === 'choice' || kind === 'boolean') {
    const options: readonly unknown[] =
      kind === 'boolean' ? [true, false] : ((schema.enum ?? []) as readonly unknown[]);
    const at = options.indexOf(value);
    return (
      <div className="field">
        <label className="label" htmlFor={id}>
          Default
        </label>
        <select id={id} value={at} onChange={(event) => onChange(options[Number(event.target.value)])}>
          <option value={-1}>
            {value === undefined && preset !== undefined ? `${preset} (from the graph)` : 'from the graph'}
          </option>
          {options.map((option, index) => (
            <option key={shownValue(option)} value={index}>
              {shownValue(option)}
            </option>
          ))}
        </select>
      </div>
    );
  }
  const read = kind === 'number' ? readNumber : kind === 'seed' ? readSeed : readText;
  return (
    <SettingField<unknown>
      label="Default"
      isNumber={kind === 'number' || kind === 'seed'}
      isLong={kind === 'prompt'}
      value={value === undefined ? '' : String(value)}
      placeholder={kind === 'seed' ? 'random each time' : (preset ?? '')}
      read={read}
      onChange={onChange}
    />
  );
}

/** Seeds beyond 2^53 stay text, since a JavaScript number does not hold them exactly. */
function readSeed(text: string): { readonly is: number | string | undefined } | undefined {
  const digits = text.trim();
  if (digits === '') return { is: undefined };
  if (!/^\d{1,20}$/.test(digits)) return undefined;
  return { is: Number.isSafeInteger(Number(digits)) ? Number(digits) : digits };
}
