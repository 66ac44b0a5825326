import { compete } from '../compete.js';
import { type Fault, FileFault, gatherFaults } from '../file-fault.js';
import { describeNode, type Graph, linkAt, nodeAt } from '../graph.js';
import type { FoundInput } from './found-input.js';
import { meantWidgets } from './meant-widgets.js';
import { INPUT_NAME } from './read-inputs-file.js';
import { widgetOf } from './widget.js';

/** Inputs by titles of nodes, `input:<name>` or `input:<name>.<widget>`, which ComfyUI's API export keeps. */
export function byTitle(graph: Graph): { inputs: FoundInput[]; faults: Fault[] } {
  const found = new Map<string, FoundInput>();
  const rivals = new Map<string, string[]>();
  const faults = gatherFaults(
    titled(graph, 'input').map(({ node, text }) => () => {
      const [name = '', ...rest] = text.split('.');
      refuseOddName(graph, node, name);
      const widgets = rest.length > 0 ? [namedWidget(graph, node, rest.join('.'))] : meantWidgets(graph, node, name);
      rivals.set(name, [...(rivals.get(name) ?? []), node]);
      found.set(name, { name, slots: widgets.map((input) => ({ node, input })), rule: 'title' });
    }),
  );
  for (const [name, nodes] of rivals) {
    if (nodes.length === 1) continue;
    found.delete(name);
    faults.push({ problem: `${compete(graph, `the input ${name}`, nodes).problem}: give each a name of its own` });
  }
  return { inputs: [...found.values()], faults };
}

const TITLES = { input: /^\s*input:\s*(.*?)\s*$/i, output: /^\s*output:\s*(.*?)\s*$/i } as const;

/** Nodes whose titles begin with `input:` or `output:`, with what comes after it. */
export function titled(graph: Graph, role: 'input' | 'output'): { node: string; text: string }[] {
  const pattern = TITLES[role];
  const found: { readonly node: string; readonly text: string }[] = [];
  for (const [node, { _meta }] of Object.entries(graph)) {
    const text = pattern.exec(_meta?.title ?? '')?.[1];
    if (text !== undefined) found.push({ node, text });
  }
  return found;
}

/** Throws a FileFault for what is no name of an input or output. */
export function refuseOddName(graph: Graph, node: string, name: string): void {
  if (INPUT_NAME.test(name)) return;
  const problem = `${describeNode(graph, node)} has no name that can be used: up to 64 letters, digits, - and _, a letter first`;
  throw new FileFault({ problem, at: { node } });
}

function namedWidget(graph: Graph, id: string, widget: string): string {
  const node = nodeAt(graph, id);
  if (widgetOf(node, widget) !== undefined) return widget;
  const source = linkAt(node, widget)?.[0];
  const why =
    source === undefined
      ? `has no widget "${widget}"`
      : `takes its ${widget} from ${describeNode(graph, source)}: title that one`;
  throw new FileFault({ problem: `${describeNode(graph, id)} ${why}`, at: { node: id } });
}
