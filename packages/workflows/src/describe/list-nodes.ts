import type { Graph } from '../graph.js';
import type { Catalogue } from './catalogue.js';
import { inputSchema, type JsonSchema } from './input-schema.js';
import { widgetOf } from './widget.js';

/** A node with what can be made an input of it. */
export interface ListedNode {
  readonly id: string;
  readonly title: string | undefined;
  readonly className: string;
  readonly widgets: readonly {
    readonly widget: string;
    /** As an input of it would be described. */
    readonly schema: JsonSchema;
    /** As the graph has it. */
    readonly value: unknown;
  }[];
}

/** The nodes of a graph in its order. */
export function listNodes(graph: Graph, catalogue: Catalogue | undefined): ListedNode[] {
  return Object.entries(graph).map(([id, node]) => {
    const settable = Object.keys(node.inputs).filter((input) => widgetOf(node, input) !== undefined);
    const widgets = settable.map((widget) => ({
      widget,
      schema: inputSchema(graph, { name: widget, slots: [{ node: id, input: widget }], rule: 'wiring' }, catalogue),
      value: node.inputs[widget],
    }));
    return { id, title: node._meta?.title ?? undefined, className: node.class_type, widgets };
  });
}
