import { compete, type Fault, FileFault, gatherFaults } from '../file-fault.js';
import { describeNode, distinctSlots, type Graph, isModelFile, linkAt, linksAt, nodeAt, type Slot } from '../graph.js';
import { samplingOf } from '../sampling.js';
import { traceConditioning, traceLatent } from '../wiring.js';
import type { FoundInput, FoundInputs } from './found-input.js';
import { INPUT_NAME } from './read-inputs-file.js';
import { meantWidgets, widgetOf } from './widget.js';

/** Inputs from titles of nodes, `input:<name>` or `input:<name>.<widget>`, which ComfyUI's API export keeps. */
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

const TITLES = { input: /^input:(.*)$/i, output: /^output:(.*)$/i } as const;

/** Nodes whose titles begin with `input:` or `output:`, with the rest of the title. */
export function titled(graph: Graph, role: 'input' | 'output'): { node: string; text: string }[] {
  const pattern = TITLES[role];
  const found: { readonly node: string; readonly text: string }[] = [];
  for (const [node, { _meta }] of Object.entries(graph)) {
    const [, text] = pattern.exec(_meta?.title?.trim() ?? '') ?? [];
    if (text !== undefined) found.push({ node, text: text.trim() });
  }
  return found;
}

/** Throws a FileFault for an invalid name of an input or output. */
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

/** Widgets for the length of a video or a sound in nodes that make empty ones. */
const LENGTHS = ['length', 'seconds'];

/**
 * Inputs outside the usual parameters, which keep the names of their widgets: texts of an encoder without a prompt (the
 * tags and lyrics of ACE-Step), and the length of a video or a sound.
 */
export function byOwnName(graph: Graph, samplers: readonly string[]): FoundInputs {
  const slots = distinctSlots(
    samplers.flatMap((sampler) => [...textsOf(graph, sampler), ...lengthsOf(graph, sampler)]),
  );
  const inputs: FoundInput[] = [];
  const faults: Fault[] = [];
  for (const name of new Set(slots.map(({ input }) => input))) {
    const called = slots.filter(({ input }) => input === name);
    if (called.length === 1) inputs.push({ name, slots: called, rule: 'wiring' });
    else
      faults.push(
        compete(
          graph,
          name,
          called.map(({ node }) => node),
        ),
      );
  }
  return { inputs, faults };
}

function textsOf(graph: Graph, sampler: string): Slot[] {
  const guider = nodeAt(graph, samplingOf(graph, sampler).guider);
  const { deadEnds } = traceConditioning(graph, linksAt(guider, ['positive', 'conditioning', 'cond1', 'cond2']));
  return [...deadEnds].flatMap((node) => {
    const isText = (input: string) => {
      const widget = widgetOf(nodeAt(graph, node), input);
      return (
        widget?.type === 'string' && widget.options === undefined && !isModelFile(nodeAt(graph, node).inputs[input])
      );
    };
    return Object.keys(nodeAt(graph, node).inputs)
      .filter(isText)
      .map((input) => ({ node, input }));
  });
}

function lengthsOf(graph: Graph, sampler: string): Slot[] {
  const link = linkAt(nodeAt(graph, sampler), 'latent_image');
  if (link === undefined) return [];
  const { size, end } = traceLatent(graph, link);
  const node = size ?? end;
  const lengths = LENGTHS.filter((input) => widgetOf(nodeAt(graph, node), input) !== undefined);
  return lengths.map((input) => ({ node, input }));
}
