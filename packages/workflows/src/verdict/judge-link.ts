import { type Catalogue, hasClass } from '../describe/catalogue.js';
import { type Graph, nodeAt } from '../graph.js';
import { isRecord } from '../read-graph.js';
import { type Complaint, complaint } from './complaint.js';
import type { NodeInput } from './node-inputs.js';
import { pythonRepr, pythonText } from './python.js';

/** What ComfyUI reads when it raises: the inputs of a node, the class of a linked node, or one of its outputs. */
export type RaisedAt = 'inputs' | 'class' | 'slot';

/** Python raises it, and ComfyUI says of the node no more than that. */
export interface Raised {
  readonly exception: string;
  readonly text: string;
  readonly place: RaisedAt;
  readonly input: string | undefined;
  /** For people, after the name of the input. */
  readonly detail: string;
}

/** What is wrong with a value that is a list, which is how links are written; undefined: nothing. */
export function judgeLink(
  graph: Graph,
  input: NodeInput,
  link: readonly unknown[],
  catalogue: Catalogue,
): Complaint | Raised | undefined {
  const { name, config, type } = input;
  if (link.length !== 2) {
    return complaint(input, 'bad_linked_input', {
      message: 'Bad linked input, must be a length-2 list of [node_id, slot_index]',
      details: name,
      extra: { input_config: config, received_value: link },
      detail: 'is a list, and no link: [id of a node, number of its output]',
    });
  }
  const [source, slot] = link;
  if (typeof source !== 'string' || !Object.hasOwn(graph, source)) {
    const text = pythonRepr(source);
    const detail = `is linked to node ${text}, which is not there`;
    return { exception: 'KeyError', text, place: 'class', input: name, detail };
  }
  const { class_type: className } = nodeAt(graph, source);
  const from = hasClass(catalogue, className) ? catalogue[className] : undefined;
  if (!isRecord(from) || !Array.isArray(from.output)) return undefined;
  const outputs = from.output as readonly unknown[];
  if (typeof slot !== 'number') {
    const text = 'tuple indices must be integers or slices';
    const detail = 'is a link without the number of an output';
    return { exception: 'TypeError', text, place: 'slot', input: name, detail };
  }
  // A list that ends in `*` is how custom nodes have any number of outputs.
  const received = outputs.at(slot) ?? (outputs.at(-1) === '*' ? '*' : undefined);
  if (received === undefined) {
    const detail = `is linked to output ${slot} of node ${source}, which has ${outputs.length}`;
    return { exception: 'IndexError', text: 'tuple index out of range', place: 'slot', input: name, detail };
  }
  if (isMatch(received, type)) return undefined;
  return complaint(input, 'return_type_mismatch', {
    message: 'Return type mismatch between linked nodes',
    details: `${name}, received_type(${pythonText(received)}) mismatch input_type(${pythonText(type)})`,
    extra: { input_config: config, received_type: received, linked_node: link },
    detail: `is linked to a ${typeName(received)}, and takes a ${typeName(type)}`,
  });
}

/** Types may be unions: `IMAGE,MASK`. Choices take the value of any choice. */
function isMatch(received: unknown, wanted: unknown): boolean {
  if (received === wanted || received === '*' || wanted === '*') return true;
  // COMFY_MATCHTYPE_V3: only the editor checks whether these types match each other.
  if ([received, wanted].some((type) => typeof type === 'string' && type.startsWith('COMFY_'))) return true;
  if (typeof received !== 'string' || typeof wanted !== 'string')
    return received === 'COMBO' || Array.isArray(received);
  const kinds = wanted.split(',').map((type) => type.trim());
  const given = received.split(',').map((type) => type.trim());
  return kinds.includes('*') || given.some((kind) => kind === '*' || kinds.includes(kind));
}

function typeName(type: unknown): string {
  return typeof type === 'string' ? type : 'choice';
}
