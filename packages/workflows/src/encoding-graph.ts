import { hash } from 'node:crypto';
import { type Catalogue, canRunAhead, outputTypes } from './describe/catalogue.js';
import { ENCODED, encodersIn, firstOf } from './encoders.js';
import { downstreamOf, type Graph, type GraphNode, isLink, type Link, nodeAt, sourcesOf, upstreamOf } from './graph.js';
import { isSampler } from './sampling.js';

/**
 * Encoding ahead: one prompt with the text encoders of several jobs. ComfyUI caches the result of a node by its class, its
 * inputs and the nodes before it, never by its id, so the jobs' own prompts find these results and need no text encoder.
 */

/** What may be linked to an encoder, or to a node before it: nothing that a sampler, a VAE or a preprocessor makes. */
const PLAIN = new Set([
  ...ENCODED,
  'CLIP',
  'CLIP_VISION',
  'MODEL',
  'STYLE_MODEL',
  'CONTROL_NET',
  'STRING',
  'INT',
  'FLOAT',
  'BOOLEAN',
  'COMBO',
]);
/** What else may be linked to a sampler that runs ahead, or to a node before it. */
const DRAWING = new Set([...PLAIN, 'LATENT', 'VAE', 'NOISE', 'GUIDER', 'SAMPLER', 'SIGMAS']);
/** Graphs with more samplers are left alone. */
const MOST_SAMPLERS = 8;
/** What may also be linked if a node without links makes it, which loads it. */
const LOADED = ['IMAGE', 'MASK'];
const SECRET = /(^|_)(api_?key|auth_?token|access_?token|password|secret)(_|$)/i;
/** Shows anything, and so makes ComfyUI execute the nodes before it. */
const OUTPUT_CLASS = 'PreviewAny';

export interface JobToEncode {
  /** As ComfyUI will get it. */
  readonly graph: Graph;
  /** Names of files that the instance does not have. */
  readonly missing: ReadonlySet<string>;
}

export interface EncodingPlan {
  readonly graph: Graph;
  /** How many encoders each job has in it, in the order of the jobs; 0: it is not for this job. */
  readonly shares: readonly number[];
  /** The signatures of these encoders. */
  readonly signatures: readonly string[];
}

/** What runs ahead: encoders, or all up to the first sampler whose latents another diffusion model continues. */
export type RunAhead = 'encoders' | 'sampler';

interface Planning {
  readonly catalogue: Catalogue;
  readonly runs?: RunAhead;
  /** Whether ComfyUI has the result of an encoder with this signature. */
  readonly isEncoded: (signature: string) => boolean;
  /** How many results ComfyUI keeps. */
  readonly mostNodes: number;
}

interface Encodings {
  readonly graph: Graph;
  readonly signatures: ReadonlyMap<string, string>;
  /** Ids of the encoders that use no other encoder. */
  readonly first: readonly string[];
  /** Ids of the encoders whose results no other encoder uses. */
  readonly last: readonly string[];
}

/**
 * One graph that encodes for the first of these jobs and for as many of the next ones as ComfyUI's cache can hold until
 * they have run. Undefined if it would encode nothing for the first job, or nothing more than the first job does.
 */
export function planEncodings(
  jobs: readonly JobToEncode[],
  { catalogue, runs, isEncoded, mostNodes }: Planning,
): EncodingPlan | undefined {
  const chosen: { readonly encodings: Encodings; readonly fresh: readonly string[] }[] = [];
  const encoders = new Set<string>();
  for (const job of jobs) {
    const encodings = encodingsOf(job, catalogue, runs);
    const fresh = signaturesIn(encodings).filter((signature) => !isEncoded(signature));
    const isKept = fresh.length > 0 && nodesOf([...chosen.map((one) => one.encodings), encodings]) <= mostNodes;
    // The first job is the one that is about to be submitted.
    if (!isKept && chosen.length === 0) return undefined;
    chosen.push({ encodings, fresh: isKept ? fresh : [] });
    if (isKept) for (const signature of fresh) encoders.add(signature);
  }
  if (encoders.size === (chosen[0]?.fresh.length ?? 0)) return undefined;
  const kept = chosen.filter(({ fresh }) => fresh.length > 0).map(({ encodings }) => encodings);
  return { graph: merge(kept), shares: chosen.map(({ fresh }) => fresh.length), signatures: [...encoders] };
}

/** The signatures of the encoders, or samplers, that can run before the rest of the job. */
export function encodersOf(job: JobToEncode, catalogue: Catalogue, runs?: RunAhead): readonly string[] {
  return signaturesIn(encodingsOf(job, catalogue, runs));
}

function signaturesIn({ first, signatures }: Encodings): readonly string[] {
  return [...new Set(first.map((id) => signatures.get(id) ?? ''))];
}

function encodingsOf({ graph, missing }: JobToEncode, catalogue: Catalogue, runs: RunAhead = 'encoders'): Encodings {
  const signatures = signaturesOf(graph);
  const [types, ends] =
    runs === 'encoders'
      ? [PLAIN, encodersIn(graph, catalogue)]
      : [DRAWING, firstOf(graph, samplersBeforeOthers(graph, signatures, catalogue))];
  const others = Object.keys(graph).filter((id) => !isPlain(graph, id, { missing, types, catalogue }));
  const left = new Set([...others, ...downstreamOf(graph, others)]);
  const found = ends.filter((id) => !left.has(id));
  const sources = found.flatMap((id) => sourcesOf(nodeAt(graph, id)));
  const used = upstreamOf(graph, sources);
  const last = found.filter((id) => !used.has(id));
  return { graph, signatures, first: firstOf(graph, found), last };
}

interface Allowed {
  readonly missing: ReadonlySet<string>;
  /** What may be linked to it. */
  readonly types: ReadonlySet<string>;
  readonly catalogue: Catalogue;
}

/** Whether the node only loads, encodes, or prepares what is encoded, or also samples if latents are allowed. */
function isPlain(graph: Graph, id: string, { missing, types, catalogue }: Allowed): boolean {
  const node = nodeAt(graph, id);
  if (!canRunAhead(catalogue, node.class_type)) return false;
  const outputs = outputTypes(catalogue, node.class_type);
  if (outputs === undefined || (outputs.includes('LATENT') && !types.has('LATENT'))) return false;
  return Object.entries(node.inputs).every(([input, value]) => {
    if (!isLink(value)) return !missing.has(value as string) && !isSecret(input, value);
    const type = typeOf(graph, value, catalogue);
    if (type === undefined) return false;
    return types.has(type) || (LOADED.includes(type) && sourcesOf(nodeAt(graph, value[0])).length === 0);
  });
}

function isSecret(input: string, value: unknown): boolean {
  return typeof value === 'string' && value !== '' && SECRET.test(input);
}

/** Undefined if it is unknown. */
function typeOf(graph: Graph, [source, output]: Link, catalogue: Catalogue): string | undefined {
  return outputTypes(catalogue, graph[source]?.class_type ?? '')?.[output];
}

/** The samplers whose latents go to one with another diffusion model, whatever LoRAs these have. */
function samplersBeforeOthers(graph: Graph, signatures: ReadonlyMap<string, string>, catalogue: Catalogue): string[] {
  const samplers = Object.keys(graph).filter((id) => isSampler(nodeAt(graph, id)));
  if (samplers.length > MOST_SAMPLERS) return [];
  const latents = withLinks(graph, ['LATENT'], catalogue);
  const models = withLinks(graph, ['MODEL', 'GUIDER'], catalogue);
  const loadersOf = (id: string) => {
    const loaders = [...upstreamOf(models, [id])].filter((one) => sourcesOf(nodeAt(models, one)).length === 0);
    return String(loaders.map((one) => signatures.get(one)).sort());
  };
  return samplers.filter((id) =>
    samplers.some((later) => upstreamOf(latents, [later]).has(id) && loadersOf(later) !== loadersOf(id)),
  );
}

/** The graph with only its links of these types. */
function withLinks(graph: Graph, types: readonly string[], catalogue: Catalogue): Graph {
  const isKept = (value: unknown) => isLink(value) && types.includes(typeOf(graph, value, catalogue) ?? '');
  const inputsOf = ({ inputs }: GraphNode) =>
    Object.fromEntries(Object.entries(inputs).filter(([, value]) => isKept(value)));
  return Object.fromEntries(Object.entries(graph).map(([id, node]) => [id, { ...node, inputs: inputsOf(node) }]));
}

/**
 * How many results ComfyUI must keep until the last of these jobs begins: those of the encoders, of the nodes that show
 * them, and of the jobs before the last one. ComfyUI drops results by the prompt that used them last.
 */
function nodesOf(jobs: readonly Encodings[]): number {
  const kept = new Set<string>();
  for (const [n, { graph, signatures, last }] of jobs.entries()) {
    const ids = n === jobs.length - 1 ? upstreamOf(graph, last) : signatures.keys();
    for (const id of ids) kept.add(signatures.get(id) ?? '');
    for (const id of last) kept.add(`${OUTPUT_CLASS} ${signatures.get(id)}`);
  }
  return kept.size;
}

/** Nodes that are alike become one, which has the id of the first of them unless that is taken. */
function merge(jobs: readonly Encodings[]): Graph {
  const merged: Graph = {};
  const ids = new Map<string, string>();
  const add = (signature: string, wanted: string, node: GraphNode) => {
    let id = wanted;
    for (let n = 2; Object.hasOwn(merged, id); n += 1) id = `${wanted}_${n}`;
    merged[id] = node;
    ids.set(signature, id);
    return id;
  };
  for (const { graph, signatures, last } of jobs) {
    const signatureOf = (id: string) => signatures.get(id) ?? '';
    const added: string[] = [];
    for (const id of upstreamOf(graph, last)) {
      if (ids.has(signatureOf(id))) continue;
      const { class_type, inputs } = nodeAt(graph, id);
      added.push(add(signatureOf(id), id, { class_type, inputs: { ...inputs } }));
    }
    for (const { inputs } of added.map((id) => nodeAt(merged, id))) {
      for (const [input, value] of Object.entries(inputs)) {
        if (isLink(value)) inputs[input] = [ids.get(signatureOf(value[0])), value[1]];
      }
    }
    for (const id of last) {
      const shown = `${OUTPUT_CLASS} ${signatureOf(id)}`;
      if (ids.has(shown)) continue;
      // Any of its outputs makes ComfyUI execute it.
      const source = [ids.get(signatureOf(id)), 0];
      add(shown, `${id}_shown`, { class_type: OUTPUT_CLASS, inputs: { source } });
    }
  }
  return merged;
}

/** By node id: equal for nodes whose results ComfyUI takes for each other. */
export function signaturesOf(graph: Graph): ReadonlyMap<string, string> {
  const signatures = new Map<string, string>();
  const sign = (id: string): string => {
    const known = signatures.get(id);
    if (known !== undefined) return known;
    // Ends the recursion if nodes form a circle, which ComfyUI refuses.
    signatures.set(id, '');
    const { class_type, inputs } = nodeAt(graph, id);
    const sorted = Object.keys(inputs).sort();
    const parts = sorted.map((input) => {
      const value = inputs[input];
      return isLink(value) && Object.hasOwn(graph, value[0])
        ? [input, 'link', sign(value[0]), value[1]]
        : [input, 'value', value];
    });
    const text = JSON.stringify([class_type, parts], (_key, value) =>
      typeof value === 'bigint' ? `${value}n` : value,
    );
    const signature = hash('sha1', text, 'base64url');
    signatures.set(id, signature);
    return signature;
  };
  for (const id of Object.keys(graph)) sign(id);
  return signatures;
}
