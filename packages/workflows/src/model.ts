import { type Graph, type Link, linkedInputs, linksAt, nodeAt, onlyLink } from './graph.js';
import { namedInputs } from './input-names.js';

/** The nodes that load the diffusion model, behind LoRA loaders and other model nodes. */
export function traceLoaders(graph: Graph, start: Link): { loaders: string[]; deadEnds: string[] } {
  const loaders: string[] = [];
  const deadEnds: string[] = [];
  const seen = new Set<string>();
  const open = [start[0]];
  for (let id = open.pop(); id !== undefined; id = open.pop()) {
    if (seen.has(id)) continue;
    seen.add(id);
    const node = nodeAt(graph, id);
    if (namedInputs(node, 'checkpoint').length > 0) {
      loaders.push(id);
      continue;
    }
    const models = linkedInputs(node).filter((input) => /^model\d*$/.test(input));
    const next = models.length > 0 ? linksAt(node, models) : [onlyLink(node)].filter((link) => link !== undefined);
    if (next.length === 0) deadEnds.push(id);
    open.push(...next.map(([source]) => source));
  }
  return { loaders, deadEnds };
}
