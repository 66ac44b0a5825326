import { hash } from 'node:crypto';
import { type Catalogue, canRunAhead, outputTypes } from './describe/catalogue.js';
import { ENCODED, encodersIn, firstOf } from './encoders.js';
import { downstreamOf, type Graph, type GraphNode, isLink, nodeAt, sourcesOf, upstreamOf } from './graph.js';

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

interface Planning {
  readonly catalogue: Catalogue;
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
  { catalogue, isEncoded, mostNodes }: Planning,
): EncodingPlan | undefined {
  const chosen: { readonly encodings: Encodings; readonly fresh: readonly string[] }[] = [];
  const encoders = new Set<string>();
  for (const job of jobs) {
    const encodings = encodingsOf(job, catalogue);
    const fresh = signaturesIn(encodings).filter((signature) => !isEncoded(signature));
    const isKept = fresh.length > 0 && nodesOf([...chosen.map((one) => one.encodings), encodings]) <= mostNodes;
    // The first job is the one that is about to be submitted.
    if (!isKept && chosen.length === 0) return undefined;
    chosen.push({ encodings, fresh: isKept ? fresh : [] });
    if (isKept) for (const signature of fresh) encoders.add(signature);
  }
  if (encoders.size === (chosen[0]?.fresh.length ?? 0)) return undefined;
  const kept = chosen.filter(({ fresh }) => fresh.length > 0).map(({ encodings }) => encodings);
  return { graph: merge(kept, catalogue), shares: chosen.map(({ fresh }) => fresh.length), signatures: [...encoders] };
}

/** The signatures of the encoders that can run before the rest of the job. */
export function encodersOf(job: JobToEncode, catalogue: Catalogue): readonly string[] {
  return signaturesIn(encodingsOf(job, catalogue));
}

function signaturesIn({ first, signatures }: Encodings): readonly string[] {
  return [...new Set(first.map((id) => signatures.get(id) ?? ''))];
}

function encodingsOf({ graph, missing }: JobToEncode, catalogue: Catalogue): Encodings {
  const others = Object.keys(graph).filter((id) => !isPlain(graph, id, missing, catalogue));
  const left = new Set([...others, ...downstreamOf(graph, others)]);
  const found = encodersIn(graph, catalogue).filter((id) => !left.has(id));
  const used = upstreamOf(
    graph,
    found.flatMap((id) => sourcesOf(nodeAt(graph, id))),
  );
  const last = found.filter((id) => !used.has(id));
  return { graph, signatures: signaturesOf(graph), first: firstOf(graph, found), last };
}

/** Whether the node only loads, encodes, or prepares what is encoded. */
function isPlain(graph: Graph, id: string, missing: ReadonlySet<string>, catalogue: Catalogue): boolean {
  const node = graph[id];
  if (node === undefined || !canRunAhead(catalogue, node.class_type)) return false;
  if (outputTypes(catalogue, node.class_type)?.includes('LATENT') !== false) return false;
  return Object.entries(node.inputs).every(([input, value]) => {
    if (!isLink(value)) return !missing.has(value as string) && !isSecret(input, value);
    const source = graph[value[0]];
    const type = source && outputTypes(catalogue, source.class_type)?.[value[1]];
    if (source === undefined || type === undefined) return false;
    return PLAIN.has(type) || (LOADED.includes(type) && !Object.values(source.inputs).some(isLink));
  });
}

function isSecret(input: string, value: unknown): boolean {
  return typeof value === 'string' && value !== '' && SECRET.test(input);
}

/** The number of the node's first output with an encoding; -1 if it has none. */
function encodedOutput(graph: Graph, id: string, catalogue: Catalogue): number {
  const types = outputTypes(catalogue, nodeAt(graph, id).class_type) ?? [];
  return types.findIndex((type) => ENCODED.includes(type));
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
function merge(jobs: readonly Encodings[], catalogue: Catalogue): Graph {
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
      const source = [ids.get(signatureOf(id)), encodedOutput(graph, id, catalogue)];
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
