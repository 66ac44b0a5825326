import type { Field } from '../../form/fields.js';
import { NAME } from '../inputs-file.js';
import { shownValue } from '../words.js';
import type { InputRowProps } from './input-rows.js';
import { DefaultField, readNumber, readText, SettingField } from './setting-field.js';

/** Inputs that levels of detail set, by name. */
const OF_LODS = new Set(['steps', 'cfg', 'sampler', 'scheduler', 'width', 'height', 'denoise']);

/** Name, bounds, options, default and description of an input. */
export function InputSettings({
  name,
  field,
  schema,
  entry,
  taken,
  onEntry,
  onName,
}: Omit<InputRowProps, 'field'> & { readonly field: Field }) {
  const { kind } = field;
  const isNumber = kind === 'number';
  const hasOptions = kind === 'choice' || kind === 'text' || isNumber;
  const options = (schema.enum ?? []) as readonly unknown[];
  const readName = (text: string) =>
    NAME.test(text) && (text === name || !taken.includes(text)) ? { is: text } : undefined;
  const readOptions = (text: string): { readonly is: readonly (string | number)[] | undefined } | undefined => {
    const lines = text.split('\n').flatMap((line) => line.trim() || []);
    if (lines.length === 0) return { is: undefined };
    if (schema.type !== 'integer' && schema.type !== 'number') return { is: lines };
    return lines.every((line) => Number.isFinite(Number(line))) ? { is: lines.map(Number) } : undefined;
  };
  return (
    <div className="settings">
      <SettingField
        label="Name"
        value={name}
        read={readName}
        fault="Use up to 64 letters, digits, - and _, beginning with a letter, and no other input’s name"
        {...(OF_LODS.has(name) ? { hint: `Levels of detail set this input as long as its name is ${name}.` } : {})}
        onChange={(to) => to !== name && onName(to)}
      />
      <DefaultField
        field={field}
        schema={schema}
        value={entry?.default}
        onChange={(preset) => onEntry({ default: preset })}
      />
      {isNumber && (
        <>
          <SettingField
            label="Minimum"
            isNumber
            value={entry?.minimum?.toString() ?? ''}
            placeholder={`${schema.minimum ?? 'none'}`}
            read={readNumber}
            onChange={(minimum) => onEntry({ minimum })}
          />
          <SettingField
            label="Maximum"
            isNumber
            value={entry?.maximum?.toString() ?? ''}
            placeholder={`${schema.maximum ?? 'none'}`}
            read={readNumber}
            onChange={(maximum) => onEntry({ maximum })}
          />
        </>
      )}
      <div className="wide">
        <SettingField
          label="Description"
          value={entry?.description ?? ''}
          placeholder={field.description ?? ''}
          read={readText}
          onChange={(description) => onEntry({ description })}
        />
      </div>
      {hasOptions && (
        <div className="wide">
          <SettingField<readonly (string | number)[] | undefined>
            label="Options"
            isLong
            value={entry?.options?.join('\n') ?? ''}
            placeholder={options.slice(0, 3).map(shownValue).join('\n')}
            hint={
              kind === 'choice'
                ? 'One per line. Leave empty for all options of the instances.'
                : 'One per line. Leave empty to allow any value.'
            }
            read={readOptions}
            onChange={(given) => onEntry({ options: given })}
          />
        </div>
      )}
      <fieldset className="wide checks">
        <legend className="sr-only">How it is asked for</legend>
        <label className="check">
          <input
            type="checkbox"
            checked={entry?.required ?? field.isRequired}
            onChange={(event) => onEntry({ required: event.target.checked })}
          />
          Required
        </label>
        <label className="check">
          <input
            type="checkbox"
            checked={entry?.advanced ?? field.isAdvanced}
            onChange={(event) => onEntry({ advanced: event.target.checked })}
          />
          Show under Advanced
        </label>
      </fieldset>
    </div>
  );
}
