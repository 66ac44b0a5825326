import type { Workflow } from '@comfy-fleet/client';
import { placesOf, RULE_HINTS, RULE_NAMES, shownValue, typeOf } from './words.js';

interface InputListProps {
  readonly workflow: Pick<Workflow, 'inputs' | 'found'>;
  /** Whether to show each input's place in the graph and how it was found. */
  readonly isDetailed: boolean;
}

type Schema = Readonly<Record<string, unknown>>;

/** The inputs of a workflow. */
export function InputList({ workflow: { inputs, found }, isDetailed }: InputListProps) {
  const schemas = (inputs.properties ?? {}) as Readonly<Record<string, Schema>>;
  const required = new Set((inputs.required ?? []) as readonly string[]);
  if (found.length === 0) return <p className="hint">It has no inputs, so it makes the same thing every time.</p>;
  return (
    <ul className="parts">
      {found.map((one) => {
        const schema = schemas[one.input] ?? {};
        return (
          <li key={one.input} className="part">
            <p className="part-head">
              <strong className="part-name">{one.input}</strong>
              <span>{typeOf(schema)}</span>
              {required.has(one.input) && <span className="tag">required</span>}
              {isDetailed && (
                <span className="tag" title={RULE_HINTS[one.rule]}>
                  {RULE_NAMES[one.rule]}
                </span>
              )}
            </p>
            {typeof schema.description === 'string' && <p>{schema.description}</p>}
            {schema.default !== undefined && <p className="hint">Default: {shownValue(schema.default)}</p>}
            {isDetailed && <p className="hint">{placesOf(one)}</p>}
          </li>
        );
      })}
    </ul>
  );
}

/** The outputs of a workflow. */
export function OutputList({ outputs }: Pick<Workflow, 'outputs'>) {
  if (outputs.length === 0) return <p className="hint">It saves nothing.</p>;
  return (
    <ul className="parts">
      {outputs.map(({ name, node_id, class_type }) => (
        <li key={name} className="part">
          <p className="part-head">
            <strong className="part-name">{name}</strong>
            <span>
              {class_type}, node {node_id}
            </span>
          </p>
        </li>
      ))}
    </ul>
  );
}
