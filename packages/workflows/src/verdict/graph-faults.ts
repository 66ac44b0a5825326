import { type Catalogue, hasClass } from '../describe/catalogue.js';
import { fileKindOf } from '../describe/widget.js';
import { type Graph, type GraphNode, type Link, linkedInputs, linksAt, nodeAt } from '../graph.js';
import { isRecord } from '../read-graph.js';
import { judgeLink, judgeValue, noSuchFile, type Raised } from './judge-input.js';
import { type NodeInput, nodeInputs } from './node-inputs.js';
import { pythonText } from './python.js';
import type { Complaint, ServerTraits } from './refusal.js';

/** An error for which ComfyUI would refuse a graph. */
export interface GraphFault extends Complaint {
  readonly node: string;
  readonly className: string;
}

/** Whether the caller has a file with this name; without it files are not checked. */
export type HasFile = (name: string) => boolean;

/** A graph as ComfyUI validates it: from its outputs upwards, in their order. */
export interface Inspection {
  /** The results of every validated node, in order. */
  readonly faults: ReadonlyMap<string, readonly GraphFault[]>;
  /** The nodes that a node uses. */
  readonly sources: ReadonlyMap<string, readonly string[]>;
  /** Index of the output for which it was validated first. */
  readonly seenFor: ReadonlyMap<string, number>;
  /** Nodes of cycles for which ComfyUI gives no reason. */
  readonly endless: ReadonlySet<string>;
}

/** Errors of the nodes that the outputs need. Classes that are not in the catalogue are not checked. */
export function graphFaults(
  graph: Graph,
  outputs: readonly string[],
  catalogue: Catalogue,
  hasFile?: HasFile,
): GraphFault[] {
  return [...inspect(graph, outputs, { catalogue, hasFile }).faults.values()].flat();
}

/** A link on the way up, with which its source node is validated. */
interface Way {
  readonly source: string;
  readonly link: readonly unknown[];
  readonly input: NodeInput | undefined;
}

/** Without recursion, because a chain of nodes may be longer than the stack. */
export function inspect(graph: Graph, outputs: readonly string[], knowledge: Knowledge): Inspection {
  const faults = new Map<string, readonly GraphFault[]>();
  const sources = new Map<string, readonly string[]>();
  const seenFor = new Map<string, number>();
  const path: { readonly node: string; readonly ways: Way[] }[] = [];
  const onPath = new Set<string>();
  const endless = new Set<string>();
  let hasCycle = false;
  const enter = (node: string, output: number, by?: Way) => {
    const { complaints, ways } = checkNode(graph, node, by, knowledge);
    const className = nodeAt(graph, node).class_type;
    faults.set(
      node,
      complaints.map((one) => ({ ...one, node, className })),
    );
    sources.set(
      node,
      ways.map(({ source }) => source),
    );
    seenFor.set(node, output);
    path.push({ node, ways: ways.reverse() });
    onPath.add(node);
  };
  for (const [index, output] of outputs.entries()) {
    if (!seenFor.has(output)) enter(output, index);
    for (let last = path.at(-1); last !== undefined; last = path.at(-1)) {
      const way = last.ways.pop();
      if (way === undefined) {
        path.pop();
        onPath.delete(last.node);
      } else if (onPath.has(way.source)) {
        // Only the first cycle is described in full, because a graph may have as many cycles as links, each as long as
        // the graph.
        const members = hasCycle ? path.slice(-1) : path.slice(path.findIndex(({ node }) => node === way.source));
        const cycle = members.map(({ node }) => node);
        hasCycle = true;
        // 0.3.64 recurses until Python stops it, and then has no reason to report.
        if (knowledge.server?.version === '0.3.64') for (const node of cycle) endless.add(node);
        else for (const fault of cycleFaults(graph, cycle)) faults.set(fault.node, [fault]);
      } else if (!seenFor.has(way.source)) enter(way.source, index, way);
    }
  }
  return { faults, sources, seenFor, endless };
}

interface Knowledge {
  readonly catalogue: Catalogue;
  readonly hasFile: HasFile | undefined;
  readonly server?: ServerTraits | undefined;
}

function checkNode(
  graph: Graph,
  id: string,
  by: Way | undefined,
  { catalogue, hasFile, server }: Knowledge,
): { readonly complaints: readonly Complaint[]; readonly ways: Way[] } {
  const node = nodeAt(graph, id);
  const { class_type: className, inputs } = node;
  const raise = (raised: Raised) => ({ complaints: [exception(raised, by, server)], ways: [] });
  if (!isRecord(inputs)) {
    const [error, text] =
      inputs === undefined
        ? ['KeyError', "'inputs'"]
        : ['TypeError', `argument of type '${inputs === null ? 'NoneType' : 'list'}' is not iterable`];
    return raise({ exception: error, text, place: 'inputs', input: undefined, detail: 'has no inputs' });
  }
  if (!hasClass(catalogue, className)) return { complaints: [], ways: linksOf(graph, id) };
  const complaints: Complaint[] = [];
  const ways: Way[] = [];
  const described = nodeInputs(catalogue[className], inputs);
  for (const each of described) {
    const input = server === undefined ? each : { ...each, config: [each.type, each.more] };
    const value = inputs[input.name];
    if (value === undefined) {
      if (input.isRequired) complaints.push(missing(input));
    } else if (Array.isArray(value)) {
      const fault = judgeLink(graph, input, value, catalogue);
      if (fault === undefined) ways.push({ source: String(value[0]), link: value, input });
      else if ('exception' in fault) return raise(fault);
      else complaints.push(fault);
    } else {
      const kind =
        server === undefined ? fileKindOf(node, input.name, catalogue) : server.fileKindOf(className, input.name);
      const isAbsent = kind !== undefined && hasFile !== undefined && !hasFile(pythonText(value));
      const store = server && ((converted: unknown) => server.store(id, input.name, converted));
      const fault = kind === undefined ? judgeValue(className, input, value, store) : undefined;
      if (isAbsent) complaints.push(noSuchFile(input, kind, value));
      if (fault !== undefined) complaints.push(fault);
    }
  }
  for (const { input, link } of server === undefined ? undescribedLinks(node, described) : []) {
    const fault = judgeLink(graph, input, link, catalogue);
    if (fault === undefined) ways.push({ source: link[0], link, input });
    else if ('exception' in fault) return raise(fault);
  }
  return { complaints, ways };
}

/**
 * Links in inputs that the class does not describe. ComfyUI follows them without validating them or their sources, and
 * a missing output there ends the thread that runs prompts. They are checked as if the class accepted anything.
 */
function undescribedLinks(node: GraphNode, described: readonly NodeInput[]) {
  const names = new Set(described.map(({ name }) => name));
  return linkedInputs(node)
    .filter((name) => !names.has(name))
    .map((name) => {
      const more = {};
      const input: NodeInput = {
        name,
        shortName: name,
        isRequired: false,
        type: '*',
        options: undefined,
        more,
        config: null,
      };
      return { input, link: node.inputs[name] as Link };
    });
}

/** For a class without a description, everything that looks like a link. */
function linksOf(graph: Graph, id: string): Way[] {
  const node = nodeAt(graph, id);
  return linksAt(node, linkedInputs(node))
    .filter(([source]) => Object.hasOwn(graph, source))
    .map((link) => ({ source: link[0], link, input: undefined }));
}

function missing({ name, shortName }: NodeInput): Complaint {
  return {
    input: name,
    type: 'required_input_missing',
    message: 'Required input is missing',
    details: shortName,
    extra: { input_name: name },
    detail: 'is missing',
  };
}

/** ComfyUI reports it with the link by which it reached the node. */
function exception(
  { exception: type, text, place, input, detail }: Raised,
  by: Way | undefined,
  server: ServerTraits | undefined,
): Complaint {
  const extra = { exception_type: type, traceback: server?.traceback(place, by !== undefined) ?? [] };
  if (by?.input === undefined) {
    const message = 'Exception when validating node';
    return { input, type: 'exception_during_validation', message, details: text, extra, detail };
  }
  return {
    input,
    type: 'exception_during_inner_validation',
    message: 'Exception when validating inner node',
    details: text,
    extra: {
      input_name: by.input.name,
      input_config: by.input.config,
      exception_message: text,
      ...extra,
      linked_node: by.link,
    },
    detail,
  };
}

/** How many nodes of a cycle are named. Each of them is reported with all others. */
const MOST_OF_CYCLE = 20;

function cycleFaults(graph: Graph, whole: readonly string[]): GraphFault[] {
  const [first = ''] = whole;
  const cycle = whole.slice(0, MOST_OF_CYCLE);
  const nameOf = (id: string) => `${id} (${nodeAt(graph, id).class_type})`;
  const named = [...cycle.map(nameOf), ...(cycle.length < whole.length ? ['…'] : []), nameOf(first)];
  const details = named.join(' -> ');
  return cycle.map((node) => ({
    node,
    className: nodeAt(graph, node).class_type,
    input: undefined,
    type: 'dependency_cycle',
    message: 'Dependency cycle detected',
    details,
    extra: { node_id: node, cycle_nodes: cycle },
    detail: `waits for itself: ${named.join(' ← ')}`,
  }));
}
