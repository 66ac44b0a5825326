import type { Workflow } from '@comfy-fleet/client';
import { useState } from 'react';
import { type Field, fieldsOf } from '../../form/fields.js';
import {
  type FoundInput,
  hiddenOf,
  type InputEntry,
  type InputsFile,
  nameAt,
  type Place,
  withEntry,
  withName,
  withoutEntry,
} from '../inputs-file.js';
import { placesOf, RULE_HINTS, RULE_NAMES, shownValue, typeOf } from '../words.js';
import { InputSettings } from './input-settings.js';

interface InputRowsProps {
  readonly workflow: Workflow;
  readonly file: InputsFile;
  readonly onChange: (file: InputsFile) => void;
}

/** Lists the inputs that were found, for naming, binding and describing them. */
export function InputRows({ workflow, file, onChange }: InputRowsProps) {
  const { found } = workflow;
  const nameOf = (input: FoundInput) => nameAt(file, placesIn(input)) ?? input.input;
  const names = found.map(nameOf);
  const fields = new Map(fieldsOf(workflow).map((field) => [field.name, field]));
  const schemas = (workflow.inputs.properties ?? {}) as Readonly<Record<string, Readonly<Record<string, unknown>>>>;
  const of = (input: FoundInput) => ({
    name: nameOf(input),
    places: placesIn(input),
    isAdvanced: fields.get(input.input)?.isAdvanced ?? false,
  });
  const move = (index: number, by: number) => {
    const input = found[index];
    if (input === undefined) return;
    const order = names.filter((_name, at) => at !== index);
    order.splice(index + by, 0, nameOf(input));
    onChange(withEntry(file, order, of(input), {}));
  };
  const hidden = hiddenOf(file);
  return (
    <>
      {found.length === 0 && (
        <p className="hint">
          No inputs were found. Make a widget below an input, or give nodes the title input:… in ComfyUI.
        </p>
      )}
      <div className="input-rows">
        {found.map((input, index) => {
          const name = nameOf(input);
          return (
            <InputRow
              key={keyOf(input)}
              name={name}
              input={input}
              field={fields.get(input.input)}
              schema={schemas[input.input] ?? {}}
              entry={file.inputs?.[name]}
              isFixed={isFixed(workflow.name, input)}
              taken={[...names, ...hidden]}
              canMove={[index > 0, index < found.length - 1]}
              onMove={(by) => move(index, by)}
              onEntry={(change) => onChange(withEntry(file, names, of(input), change))}
              onName={(to) => onChange(withName(withEntry(file, names, of(input), {}), names, name, to))}
              onForget={() => onChange(withoutEntry(file, names, name))}
            />
          );
        })}
      </div>
      {hidden.length > 0 && (
        <p className="hidden-inputs">
          <span className="hint">You removed these inputs:</span>
          {hidden.map((name) => (
            <button
              key={name}
              type="button"
              className="quiet"
              onClick={() => onChange(withoutEntry(file, names, name))}
            >
              Show {name} again
            </button>
          ))}
        </p>
      )}
    </>
  );
}

/** Inputs that /generate and /img2img set keep the names that those routes use. */
function isFixed(workflow: string, { rule }: FoundInput): boolean {
  return (workflow === 'text2img' || workflow === 'img2img') && (rule === 'wiring' || rule === 'bindings_file');
}

function placesIn({ places }: FoundInput): Place[] {
  return places.map(({ node_id, widget }) => ({ node: node_id, widget }));
}

/** A React key that does not change when the input is renamed. */
function keyOf({ places }: FoundInput): string {
  return places.map(({ node_id, widget }) => `${node_id} ${widget}`).join();
}

export interface InputRowProps {
  /** Its current name; `input`, which comes from the API, may still have the previous one. */
  readonly name: string;
  readonly input: FoundInput;
  readonly field: Field | undefined;
  readonly schema: Readonly<Record<string, unknown>>;
  readonly entry: InputEntry | undefined;
  /** /generate or /img2img determines its name and bounds. */
  readonly isFixed: boolean;
  /** Names that are in use. */
  readonly taken: readonly string[];
  /** Whether it can move up, and down. */
  readonly canMove: readonly [boolean, boolean];
  readonly onMove: (by: -1 | 1) => void;
  readonly onEntry: (change: Partial<InputEntry>) => void;
  readonly onName: (name: string) => void;
  /** Removes its entry from the inputs file. */
  readonly onForget: () => void;
}

/** One input, with its settings folded away. */
function InputRow(props: InputRowProps) {
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
                  Remove<span className="sr-only">: {name}</span>
                </button>
                {entry !== undefined && (
                  <button type="button" onClick={onForget}>
                    Reset<span className="sr-only">: {name}</span>
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
