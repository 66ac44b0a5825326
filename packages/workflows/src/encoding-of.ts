import { hash } from 'node:crypto';
import type { ResolvedRequest } from '@comfy-fleet/contracts';
import { type Graph, type GraphNode, linkAt, linkedInputs, linksAt } from './graph.js';
import { showJson } from './json-text.js';
import { givenAt } from './models-of.js';
import { isSampler } from './sampling.js';
import type { Workflow } from './workflow.js';

/** Characters of a signature. If two were equal by chance, a job would only be run in a worse order. */
const LENGTH = 8;
/** Inputs that take conditioning. */
const CONDITIONING = /^(positive|negative|cond)/;

/**
 * A signature of what a job encodes before it samples: its texts, and pictures for CLIP vision, ControlNet and the VAE,
 * with everything that these depend on. ComfyUI has the results in its cache if its last prompt had the same signature.
 * Undefined if the graph has no such nodes, as far as its wiring shows.
 */
export function encodingOf(workflow: Workflow, request: ResolvedRequest): string | undefined {
  const encoded = encodedNodes(workflow.graph);
  if (encoded.size === 0) return undefined;
  const nodes = Object.entries(workflow.graph).filter(([id]) => encoded.has(id));
  const values = nodes.map(([node, { class_type, inputs }]) => [
    node,
    class_type,
    Object.entries(inputs).map(([input, value]) => [input, givenAt(workflow, request, { node, input }) ?? value]),
  ]);
  return hash('sha1', showJson(values), 'base64url').slice(0, LENGTH);
}

/** The nodes that make conditioning or encode pictures, and those that they need, but nothing that a sampler made. */
function encodedNodes(graph: Graph): ReadonlySet<string> {
  const open: string[] = [];
  for (const [id, node] of Object.entries(graph)) {
    open.push(...sourcesOf(node, (input) => CONDITIONING.test(input)));
    if (linkAt(node, 'pixels') !== undefined) open.push(id);
  }
  const found = new Set<string>();
  for (let id = open.pop(); id !== undefined; id = open.pop()) {
    const node = graph[id];
    if (node === undefined || found.has(id) || isSampler(node)) continue;
    found.add(id);
    open.push(...sourcesOf(node));
  }
  return found;
}

/** The nodes to which these inputs are linked; all inputs by default. */
function sourcesOf(node: GraphNode, isWanted: (input: string) => boolean = () => true): string[] {
  return linksAt(node, linkedInputs(node).filter(isWanted)).map(([source]) => source);
}
