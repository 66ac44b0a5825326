import { hash } from 'node:crypto';
import type { ResolvedRequest } from '@comfy-fleet/contracts';
import { type Catalogue, outputTypes } from './describe/catalogue.js';
import { downstreamOf, type Graph, isLink, linkAt, nodeAt, upstreamOf } from './graph.js';
import { showJson } from './json-text.js';
import { isSampler } from './sampling.js';
import type { Workflow } from './workflow.js';

/** What encoders make. */
export const ENCODED = ['CONDITIONING', 'CLIP_VISION_OUTPUT'];
/** The names of the inputs that take it. */
const TAKES_ENCODED = /^(positive|negative|cond|clip_vision_output)/;
/** Characters of a signature. If two were equal by chance, a job would only be run in a worse order. */
const LENGTH = 8;

/**
 * The nodes that make or change what guides a sampler, by their output types. Without a catalogue, which is not at hand
 * when a job is created or its prompt is followed, these are the nodes that are linked to inputs with certain names.
 */
export function encodersIn(graph: Graph, catalogue?: Catalogue): string[] {
  if (catalogue === undefined) {
    const inputs = Object.values(graph).flatMap((node) => Object.entries(node.inputs));
    const taken = inputs.flatMap(([input, value]) => (TAKES_ENCODED.test(input) && isLink(value) ? [value[0]] : []));
    return [...new Set(taken)];
  }
  const isEncoded = (type: string) => ENCODED.includes(type);
  return Object.keys(graph).filter((id) => outputTypes(catalogue, nodeAt(graph, id).class_type)?.some(isEncoded));
}

/** Those of these encoders that use no other one: they have the texts and pictures. */
export function firstOf(graph: Graph, encoders: readonly string[]): string[] {
  const later = downstreamOf(graph, encoders);
  return encoders.filter((id) => !later.has(id));
}

/** The samplers of a graph, and the nodes that encode texts and pictures for them. */
export function textNodesOf(graph: Graph) {
  const samplers: ReadonlySet<string> = new Set(Object.keys(graph).filter((id) => isSampler(nodeAt(graph, id))));
  const encoders: ReadonlySet<string> = new Set(firstOf(graph, encodersIn(graph)));
  return { samplers, encoders };
}

/** What the signatures of a workflow's jobs depend on: nodes of its graph, as JSON, and inputs by name. */
interface Signed {
  readonly nodes: string;
  readonly inputs: readonly string[];
}

/** Found once for each workflow, because most jobs are of one that was ordered before. */
const signedParts = new WeakMap<Workflow, Signed | null>();

/** The nodes that encode texts and pictures before a sampler, and those before them; null if there are none. */
function signedPartOf(workflow: Workflow): Signed | null {
  const known = signedParts.get(workflow);
  if (known !== undefined) return known;
  const { graph, inputAt } = workflow;
  const all = Object.entries(graph);
  const pictures = all.filter(([, node]) => linkAt(node, 'pixels') !== undefined).map(([id]) => id);
  // Nothing that a sampler made.
  const unsampled = all.filter(([, node]) => !isSampler(node));
  const encoded = upstreamOf(Object.fromEntries(unsampled), [...encodersIn(graph), ...pictures]);
  const nodes = unsampled.filter(([id]) => encoded.has(id));
  const slots = nodes.flatMap(([node, { inputs }]) => Object.keys(inputs).map((input) => ({ node, input })));
  const names = new Set(slots.flatMap((slot) => inputAt(slot)?.name ?? []));
  const plain = nodes.map(([id, { class_type, inputs }]) => [id, class_type, inputs]);
  const part = nodes.length === 0 ? null : { nodes: showJson(plain), inputs: [...names] };
  signedParts.set(workflow, part);
  return part;
}

/**
 * A signature of what a job encodes before it samples: its texts, and pictures for CLIP vision, ControlNet and the VAE,
 * with everything that these depend on. ComfyUI has the results in its cache if its last prompt had the same signature.
 * Undefined if the graph has no such nodes, as far as its wiring shows.
 */
export function encodingOf(workflow: Workflow, { inputs }: ResolvedRequest): string | undefined {
  const part = signedPartOf(workflow);
  if (part === null) return undefined;
  const given = part.inputs.map((name) => (Object.hasOwn(inputs, name) ? inputs[name] : null) ?? null);
  return hash('sha1', part.nodes + showJson(given), 'base64url').slice(0, LENGTH);
}
