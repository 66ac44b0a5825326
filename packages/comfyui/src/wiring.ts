import { type Graph, isLink, nameInGraph } from './graph.js';

/** A fault that the graph itself shows. */
export interface WiringFault {
  readonly input?: string;
  readonly text: string;
}

/**
 * What is wrong with the wiring of a node, when ComfyUI only says that checking it raised an exception (recorded
 * details: `'99'`, `tuple index out of range`, `'inputs'`).
 */
export function wiringFault(graph: Graph, id: string, exceptionType: string | undefined): WiringFault | undefined {
  const at = nameInGraph(graph, id);
  const inputs: unknown = graph[id]?.inputs;
  if (typeof inputs !== 'object' || inputs === null) return { text: `${at} has no inputs` };
  let highest: { input: string; source: string; slot: number } | undefined;
  for (const [input, value] of Object.entries(inputs)) {
    if (!isLink(value)) continue;
    const [source, slot] = value;
    if (typeof source === 'number') {
      return { input, text: `${input} of ${at} is linked to ${source}: the id of a node must be a text, "${source}"` };
    }
    if (typeof source !== 'string' || typeof slot !== 'number') continue;
    if (!Object.hasOwn(graph, source)) {
      return { input, text: `${input} of ${at} is linked to node ${source}, which is not in the workflow` };
    }
    if (highest === undefined || slot > highest.slot) highest = { input, source, slot };
  }
  if (exceptionType !== 'IndexError' || highest === undefined) return undefined;
  const { input, source, slot } = highest;
  return {
    input,
    text: `${input} of ${at} is linked to output ${slot} of ${nameInGraph(graph, source)}, which has fewer outputs`,
  };
}

/** The ids of a circle of links, in the direction of the links' use, or undefined if there is none. */
export function findCircle(graph: Graph): readonly string[] | undefined {
  const done = new Set<string>();
  for (const start of Object.keys(graph)) {
    const path: string[] = [];
    const found = walk(graph, start, path, done);
    if (found !== undefined) return found;
  }
  return undefined;
}

function walk(graph: Graph, id: string, path: string[], done: Set<string>): readonly string[] | undefined {
  const seen = path.indexOf(id);
  if (seen >= 0) return path.slice(seen).reverse();
  if (done.has(id) || !Object.hasOwn(graph, id)) return undefined;
  path.push(id);
  for (const value of Object.values(graph[id]?.inputs ?? {})) {
    if (!isLink(value) || typeof value[0] !== 'string') continue;
    const found = walk(graph, value[0], path, done);
    if (found !== undefined) return found;
  }
  path.pop();
  done.add(id);
  return undefined;
}
