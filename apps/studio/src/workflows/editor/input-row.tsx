import { useState } from 'react';
import type { Field } from '../../form/fields.js';
import type { FoundInput, InputEntry } from '../inputs-file.js';
import { placesOf, RULE_HINTS, RULE_NAMES, shownValue, typeOf } from '../words.js';
import { InputSettings } from './input-settings.js';

export interface InputRowProps {
  /** As it is called now; what was found may be a little older. */
  readonly name: string;
  readonly input: FoundInput;
  readonly field: Field | undefined;
  readonly schema: Readonly<Record<string, unknown>>;
  readonly entry: InputEntry | undefined;
  /** It has the name and bounds of another call, and is as it is. */
  readonly isFixed: boolean;
  /** Names that it cannot have. */
  readonly taken: readonly string[];
  /** Up, and down. */
  readonly canMove: readonly [boolean, boolean];
  readonly onMove: (by: -1 | 1) => void;
  readonly onEntry: (change: Partial<InputEntry>) => void;
  readonly onName: (name: string) => void;
  /** Says nothing of it any more. */
  readonly onForget: () => void;
}

/** An input in a line, with its settings folded away. */
export function InputRow(props: InputRowProps) {
  const { name, input, field, schema, entry, isFixed, canMove, onMove, onEntry, onForget } = props;
  const [isOpen, setOpen] = useState(false);
  const { rule } = input;
  return (
    <details className="input-row" open={isOpen} onToggle={(event) => setOpen(event.currentTarget.open)}>
      <summary>
        <span className="input-head">
          <strong className="part-name">{name}</strong>
          <span className="input-type">
            {typeOf(schema)}
            {schema.default !== undefined && <span className="input-default">: {shownValue(schema.default)}</span>}
          </span>
          <span className="input-tags">
            {field?.isRequired && <span className="tag">required</span>}
            {field?.isAdvanced && <span className="tag">advanced</span>}
            <span className="tag" data-rule={rule} title={RULE_HINTS[rule]}>
              {RULE_NAMES[rule]}
            </span>
          </span>
        </span>
      </summary>
      {isOpen && (
        <div className="input-more">
          <p className="hint">
            {placesOf(input)}. {RULE_HINTS[rule]}
          </p>
          {isFixed ? (
            <p className="hint">POST /generate and POST /img2img set its name and bounds, so you cannot change it.</p>
          ) : (
            <>
              {field !== undefined && <InputSettings {...props} field={field} />}
              <div className="buttons">
                <button type="button" disabled={!canMove[0]} onClick={() => onMove(-1)}>
                  Up<span className="sr-only">: {name}</span>
                </button>
                <button type="button" disabled={!canMove[1]} onClick={() => onMove(1)}>
                  Down<span className="sr-only">: {name}</span>
                </button>
                <button type="button" onClick={() => onEntry({ hidden: true })}>
                  Not an input<span className="sr-only">: {name}</span>
                </button>
                {entry !== undefined && (
                  <button type="button" onClick={onForget}>
                    As it was found<span className="sr-only">: {name}</span>
                  </button>
                )}
              </div>
            </>
          )}
        </div>
      )}
    </details>
  );
}
