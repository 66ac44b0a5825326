import { isRecord } from '../read-graph.js';

/** What a ComfyUI has in place of a node class that it no longer has. */
export interface Replacement {
  readonly className: string;
  /** New inputs by the old ones whose value they get; undefined: all keep their names. */
  readonly inputs: ReadonlyMap<string, string> | undefined;
}

/** Reads the table of GET /node_replacements, by old class; what is not understood is left out. */
export function readReplacements(table: unknown): ReadonlyMap<string, Replacement> {
  const found = new Map<string, Replacement>();
  for (const [className, ways] of Object.entries(isRecord(table) ? table : {})) {
    // ComfyUI takes the first one
    const [way] = Array.isArray(ways) ? ways : [];
    if (!isRecord(way) || typeof way.new_node_id !== 'string') continue;
    found.set(className, { className: way.new_node_id, inputs: readMapping(way.input_mapping) });
  }
  return found;
}

function readMapping(mapping: unknown): ReadonlyMap<string, string> | undefined {
  if (!Array.isArray(mapping)) return undefined;
  return new Map(
    mapping.flatMap((entry): [string, string][] =>
      isRecord(entry) && typeof entry.old_id === 'string' && typeof entry.new_id === 'string'
        ? [[entry.old_id, entry.new_id]]
        : [],
    ),
  );
}

/** An old node class as its nodes are taken, from the description of the class that replaces it. */
export function describeReplaced({ inputs }: Replacement, description: unknown): unknown {
  if (inputs === undefined || !isRecord(description) || !isRecord(description.input)) return description;
  const required = isRecord(description.input.required) ? description.input.required : {};
  const optional = isRecord(description.input.optional) ? description.input.optional : {};
  const old: Record<'required' | 'optional', Record<string, unknown>> = { required: {}, optional: {} };
  for (const [oldInput, newInput] of inputs) {
    if (newInput in required) old.required[oldInput] = required[newInput];
    // one of a growing number of inputs is described with the others
    else old.optional[oldInput] = optional[newInput] ?? ['*', {}];
  }
  return { ...description, input: old };
}
