import { useId, useState } from 'react';

interface SettingFieldProps<T> {
  readonly label: string;
  readonly value: string;
  readonly hint?: string;
  readonly placeholder?: string;
  readonly isNumber?: boolean;
  readonly isLong?: boolean;
  /** Undefined: what was typed cannot be taken. An empty text says nothing of it. */
  readonly read: (text: string) => { readonly is: T } | undefined;
  readonly onChange: (value: T) => void;
  readonly fault?: string;
}

/** A text that is taken as soon as it can be read; what cannot be read stays in the field alone. */
export function SettingField<T>(props: SettingFieldProps<T>) {
  const { label, value, hint, placeholder, isNumber = false, isLong = false, read, onChange, fault } = props;
  const id = useId();
  const [text, setText] = useState(value);
  const [seen, setSeen] = useState(value);
  const taken = read(text);
  const isWrong = taken === undefined;
  if (value !== seen) {
    setSeen(value);
    // somebody else changed it
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
          {fault ?? 'This is no number'}
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

/** Of a number, or of nothing. */
export function readNumber(text: string): { readonly is: number | undefined } | undefined {
  if (text.trim() === '') return { is: undefined };
  const number = Number(text);
  return Number.isFinite(number) ? { is: number } : undefined;
}

/** Of any text, or of nothing. */
export function readText(text: string): { readonly is: string | undefined } {
  return { is: text.trim() === '' ? undefined : text };
}
