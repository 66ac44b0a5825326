import { useId } from 'react';
import type { Field } from '../../form/fields.js';
import { shownValue } from '../words.js';
import { readNumber, readText, SettingField } from './setting-field.js';

interface DefaultFieldProps {
  readonly field: Field;
  readonly schema: Readonly<Record<string, unknown>>;
  readonly value: unknown;
  readonly onChange: (value: unknown) => void;
}

/** What a request that says nothing of an input gets; undefined: what the graph has. */
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

/** Digits beyond 2^53 stay text. */
function readSeed(text: string): { readonly is: number | string | undefined } | undefined {
  const digits = text.trim();
  if (digits === '') return { is: undefined };
  if (!/^\d{1,20}$/.test(digits)) return undefined;
  return { is: Number.isSafeInteger(Number(digits)) ? Number(digits) : digits };
}
