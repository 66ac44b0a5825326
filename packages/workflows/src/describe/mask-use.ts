import { type Graph, linkedInputs, linksAt, nodeAt } from '../graph.js';

/** How the mask of a loaded picture is used: without the picture, or beside it. */
export type MaskUse = 'only' | 'beside';

/** The outputs of LoadImage are the picture and its mask. */
const MASK_OUTPUT = 1;

/** The nodes whose picture is used as a mask, by node id. */
export function maskUses(graph: Graph): ReadonlyMap<string, MaskUse> {
  const uses = new Map<string, Set<number>>();
  for (const [source, output] of Object.values(graph).flatMap((node) => linksAt(node, linkedInputs(node)))) {
    uses.set(source, (uses.get(source) ?? new Set()).add(output));
  }
  const found = Object.keys(graph).map((id) => [id, useOf(nodeAt(graph, id).class_type, uses.get(id))] as const);
  return new Map(found.filter((entry): entry is readonly [string, MaskUse] => entry[1] !== undefined));
}

function useOf(className: string, used: ReadonlySet<number> = new Set()): MaskUse | undefined {
  if (className === 'LoadImageMask') return 'only';
  if (!used.has(MASK_OUTPUT)) return undefined;
  if (used.size === 1) return 'only';
  return className === 'LoadImage' ? 'beside' : undefined;
}
