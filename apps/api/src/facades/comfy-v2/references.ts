import { type FileKind, isId } from '@comfy-fleet/contracts';
import type { Deps } from '../../deps.js';
import type { Caller } from '../../server/caller.js';
import { missingAsset } from './errors.js';
import { findOutput } from './output-ids.js';

/** An asset that stands in a graph where a file name would. */
interface Reference {
  readonly node: string;
  readonly input: string;
  readonly id: string;
}

const TYPE = 'core/ASSET';

/** Graph and references apart: where one stood, the graph has the text that an input takes in its place. */
export interface Referenced {
  readonly graph: unknown;
  /** What kind of file it is that stands there. */
  kindAt(place: { readonly node: string; readonly input: string }): FileKind | undefined;
}

/** Throws missing_asset for a reference that is none, or leads to no asset of the caller's. */
export async function withoutReferences(deps: Deps, caller: Caller, graph: unknown): Promise<Referenced> {
  const references = referencesOf(graph);
  if (references.length === 0) return { graph, kindAt: () => undefined };
  const nodes = { ...(graph as Nodes) };
  const kinds = new Map<string, FileKind>();
  const known = new Map<string, Found>();
  for (const { node, input, id } of references) {
    const found = known.get(id) ?? (await find(deps, caller, id));
    if (found === undefined) throw missingAsset(`Node ${node}, ${input}: you have no asset ${id}, or no longer.`);
    known.set(id, found);
    const before = nodes[node];
    nodes[node] = { ...before, inputs: { ...before?.inputs, [input]: found.text } };
    kinds.set(JSON.stringify([node, input]), found.kind);
  }
  return { graph: nodes, kindAt: ({ node, input }) => kinds.get(JSON.stringify([node, input])) };
}

type Nodes = Record<string, { readonly inputs: Readonly<Record<string, unknown>> }>;

interface Found {
  /** As an input takes it. */
  readonly text: string;
  readonly kind: FileKind;
}

async function find(deps: Deps, caller: Caller, id: string): Promise<Found | undefined> {
  const asset = await deps.ledger.assets.get(caller.id, id);
  if (asset !== undefined) return { text: `asset:${id}`, kind: asset.kind };
  const output = await findOutput(deps, caller, id);
  if (output === undefined) return undefined;
  const { snapshot, index } = output;
  const kind = snapshot.record.outputs[index]?.kind;
  const isMedia = kind === 'image' || kind === 'video' || kind === 'audio';
  return { text: `job:${snapshot.record.id}/${index}`, kind: isMedia ? kind : 'file' };
}

function referencesOf(graph: unknown): Reference[] {
  const references: Reference[] = [];
  for (const [node, parts] of entriesOf(graph)) {
    for (const [part, values] of entriesOf(parts)) {
      for (const [input, value] of entriesOf(values)) {
        if (part === 'inputs' && isReference(value)) references.push({ node, input, id: idOf(value, node, input) });
        else if (holdsReference(value))
          throw missingAsset(`Node ${node}: a reference has to be the value of an input.`);
      }
    }
  }
  return references;
}

function entriesOf(value: unknown): [string, unknown][] {
  return typeof value === 'object' && value !== null ? Object.entries(value) : [];
}

function isReference(value: unknown): value is { readonly info?: unknown } {
  return typeof value === 'object' && value !== null && '__type' in value && value.__type === TYPE;
}

function holdsReference(value: unknown): boolean {
  return isReference(value) || entriesOf(value).some(([, part]) => holdsReference(part));
}

function idOf({ info }: { readonly info?: unknown }, node: string, input: string): string {
  const id = typeof info === 'object' && info !== null && 'id' in info ? info.id : undefined;
  if (typeof id === 'string' && isId(id)) return id;
  throw missingAsset(`Node ${node}, ${input}: a ${TYPE} needs info.id, the UUID of an asset of yours.`);
}
