import type { Workflow } from '@comfy-fleet/client';
import { fieldsOf } from '../../form/fields.js';
import {
  type FoundInput,
  hiddenOf,
  type InputsFile,
  nameAt,
  type Place,
  withEntry,
  withName,
  withoutEntry,
} from '../inputs-file.js';
import { InputRow } from './input-row.js';

interface InputRowsProps {
  readonly workflow: Workflow;
  readonly file: InputsFile;
  readonly onChange: (file: InputsFile) => void;
}

/** The inputs that were found, each to be named, bound and described. */
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
          No inputs were found. Turn a widget below into one, or give nodes the title input:… in ComfyUI.
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

/** What /generate and /img2img set is called as they call it. */
function isFixed(workflow: string, { rule }: FoundInput): boolean {
  return (workflow === 'text2img' || workflow === 'img2img') && (rule === 'wiring' || rule === 'bindings_file');
}

function placesIn({ places }: FoundInput): Place[] {
  return places.map(({ node_id, widget }) => ({ node: node_id, widget }));
}

/** Stays the same when it is renamed. */
function keyOf({ places }: FoundInput): string {
  return places.map(({ node_id, widget }) => `${node_id} ${widget}`).join();
}
