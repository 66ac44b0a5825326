import { type Fault, FileFault } from './file-fault.js';
import { describeNode, type Graph, type GraphNode, isLink, linkFault, nodeAt } from './graph.js';
import { ascii } from './json-text.js';

const HOW_TO_EXPORT = 'open the workflow in ComfyUI, choose Workflow → Export (API), and save that file here';

/**
 * Longest node id, in JSON that escapes characters beyond ASCII, as ComfyUI sends it: four times for each node whenever one
 * begins or ends. The editor's ids have a few characters.
 */
export const MOST_ID_CHARS = 64;
/**
 * Most inputs of one node. Classes with a growing number of inputs have up to a hundred; each input is checked against
 * all of them.
 */
const MOST_INPUTS = 300;

/**
 * Longest chain of links. ComfyUI follows links by recursion, and from about 950 nodes Python ends the thread that runs
 * prompts.
 */
const MOST_CHAINED = 500;

/**
 * Reads parsed JSON as a graph in the API format: complete nodes, plain links to existing nodes, no cycles, and no
 * chain longer than ComfyUI can follow.
 */
export function readGraph(json: unknown): Graph {
  if (!isRecord(json)) throw new FileFault(`is not a workflow: ${HOW_TO_EXPORT}`);
  if (Array.isArray(json.nodes)) {
    throw new FileFault(
      `is saved in the format of ComfyUI's editor ("nodes" and "links"), which ComfyUI's API does not take: ${HOW_TO_EXPORT}`,
    );
  }
  if (Object.keys(json).length === 0) throw new FileFault(`has no nodes: ${HOW_TO_EXPORT}`);
  const entries = Object.entries(json);
  const stranger = entries.find(([id, value]) => isNodeId(id) && !isNode(value));
  if (stranger !== undefined) {
    throw new FileFault(
      `"${stranger[0]}" is not a node with class_type and inputs, so this is not the API format: ${HOW_TO_EXPORT}`,
    );
  }
  const faults = entries.flatMap(([id, node]) => nodeFaults(id, node as GraphNode));
  if (faults.length > 0) throw new FileFault(...faults);
  const graph = json as Graph;
  refuseBadLinks(graph);
  refuseCirclesAndChains(graph);
  return graph;
}

export function isNodeId(id: string): boolean {
  return ascii(JSON.stringify(id)).length - 2 <= MOST_ID_CHARS;
}

function isNode(value: unknown): value is GraphNode {
  return isRecord(value) && typeof value.class_type === 'string' && isRecord(value.inputs);
}

function nodeFaults(id: string, node: GraphNode): string[] {
  if (!isNodeId(id)) return [`has a node id of more than ${MOST_ID_CHARS} characters in escaped JSON`];
  const meta: unknown = node._meta;
  const title: unknown = isRecord(meta) ? (meta.title ?? undefined) : undefined;
  if ((meta !== undefined && !isRecord(meta)) || (title !== undefined && typeof title !== 'string')) {
    return [`has a _meta at node "${id}" that is not an object with a title in text: correct it, or leave it out`];
  }
  const inputs = Object.keys(node.inputs).length;
  return inputs <= MOST_INPUTS ? [] : [`has ${inputs} inputs at node "${id}"; ${MOST_INPUTS} are the most`];
}

function refuseBadLinks(graph: Graph): void {
  const faults: Fault[] = [];
  for (const [id, { inputs }] of Object.entries(graph)) {
    for (const [input, value] of Object.entries(inputs)) {
      const at = { node: id, input };
      const fault = linkFault(value);
      if (fault !== undefined) {
        faults.push({ problem: `${input} of ${describeNode(graph, id)} ${fault}`, at });
      } else if (isLink(value) && !Object.hasOwn(graph, value[0])) {
        const [target] = value;
        const problem = `${describeNode(graph, id)} takes its ${input} from node ${target}, which is not in the file`;
        faults.push({ problem, at });
      }
    }
  }
  if (faults.length > 0) throw new FileFault(...faults);
}

/** Without recursion, because a chain of nodes may be longer than the stack. */
function refuseCirclesAndChains(graph: Graph): void {
  /** Length of the longest chain that ends at each node. */
  const finished = new Map<string, number>();
  const onPath = new Set<string>();
  for (const start of Object.keys(graph)) {
    if (finished.has(start)) continue;
    const path = [{ id: start, sources: sourcesOf(graph, start) }];
    onPath.add(start);
    for (let last = path.at(-1); last !== undefined; last = path.at(-1)) {
      const next = last.sources.pop();
      if (next === undefined) {
        path.pop();
        onPath.delete(last.id);
        const chain = 1 + Math.max(0, ...sourcesOf(graph, last.id).map((source) => finished.get(source) ?? 0));
        if (chain > MOST_CHAINED) {
          const problem = `${describeNode(graph, last.id)} ends a chain of more than ${MOST_CHAINED} nodes, which ComfyUI cannot follow`;
          throw new FileFault({ problem, at: { node: last.id } });
        }
        finished.set(last.id, chain);
      } else if (onPath.has(next)) {
        const members = path.slice(path.findIndex(({ id }) => id === next)).map(({ id }) => id);
        const named = members.map((id) => describeNode(graph, id)).join(' ← ');
        throw new FileFault({
          problem: `has nodes that wait for each other in a circle: ${named}`,
          at: { node: next },
        });
      } else if (!finished.has(next)) {
        path.push({ id: next, sources: sourcesOf(graph, next) });
        onPath.add(next);
      }
    }
  }
}

function sourcesOf(graph: Graph, id: string): string[] {
  const sources: string[] = [];
  for (const value of Object.values(nodeAt(graph, id).inputs)) if (isLink(value)) sources.push(value[0]);
  return sources.reverse();
}

export function isRecord(value: unknown): value is Record<string, unknown> & Partial<GraphNode> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
