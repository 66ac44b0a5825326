import type { Catalogue } from '../describe/catalogue.js';
import { type Graph, type GraphNode, type Link, linkAt, linkedInputs } from '../graph.js';
import { isRecord } from '../read-graph.js';
import { judgeLink } from '../verdict/judge-input.js';
import { nodeInputs } from '../verdict/node-inputs.js';

/** The type of what ComfySwitchNode and others pass on, whatever it is. */
const isOpen = (type: unknown) => type === '*' || (typeof type === 'string' && type.startsWith('COMFY_MATCHTYPE'));

/** Classes that print any value as a text. Of a tensor that may have millions of characters. */
const PRINTS = new Set(['PreviewAny', 'StringFormat']);
const PRINTED = /^(STRING|INT|FLOAT|BOOLEAN|COMBO)$/;

/**
 * Inputs that get a value of another type through nodes that pass on what they get. ComfyUI checks only the types of direct
 * links. A text in a formula, for example, could become gigabytes.
 */
export function wrongTypes(graph: Graph, catalogue: Catalogue) {
  const known = new Map<string, readonly Link[]>();
  const outputOf = ([id, slot]: Link) => {
    const described = catalogue[graph[id]?.class_type ?? ''];
    return isRecord(described) && Array.isArray(described.output)
      ? (described.output as unknown[]).at(slot)
      : undefined;
  };
  const inputsOf = ({ class_type, inputs }: GraphNode) => nodeInputs(catalogue[class_type], inputs);
  /** The links of a node that passes on what it gets, and of those before it. */
  const origins = (link: Link): readonly Link[] => {
    const [id] = link;
    const node = graph[id];
    if (node === undefined || !isOpen(outputOf(link))) return [link];
    const before = known.get(id);
    if (before !== undefined) return before;
    known.set(id, []); // ComfyUI refuses loops.
    const passed = inputsOf(node).flatMap(({ name, type }) => {
      const from = isOpen(type) ? linkAt(node, name) : undefined;
      return from === undefined ? [] : origins(from);
    });
    const found = [...new Map(passed.map((one) => [JSON.stringify(one), one])).values()];
    known.set(id, found);
    return found;
  };
  return Object.entries(graph).flatMap(([node, described]) =>
    linkedInputs(described).flatMap((name) => {
      const link = linkAt(described, name);
      if (link === undefined) return [];
      const types = PRINTS.has(described.class_type) ? origins(link).map(outputOf) : [];
      const long = types.find((type) => !Array.isArray(type) && !PRINTED.test(String(type)));
      if (long !== undefined)
        return [{ node, input: name, detail: `${name} of ${described.class_type} prints no ${String(long)}` }];
      if (!isOpen(outputOf(link))) return [];
      const input = inputsOf(described).find((one) => one.name === name);
      const fault = input && origins(link).flatMap((one) => judgeLink(graph, input, one, catalogue) ?? [])[0];
      if (fault === undefined) return [];
      return [{ node, input: name, detail: `${name} of ${described.class_type} ${fault.detail}` }];
    }),
  );
}
