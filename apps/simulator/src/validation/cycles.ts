import { isObject, type Json, type JsonObject } from '../json/values.js';

/** The nodes that this one is linked to, in the order of its inputs. Links to nodes that are not there are left out. */
export function linkedNodes(graph: JsonObject, id: string): string[] {
  const node = graph[id];
  const inputs = isObject(node) ? node.inputs : undefined;
  if (!isObject(inputs)) return [];
  return Object.values(inputs).flatMap((value) => {
    const source = linkSource(value);
    return source !== undefined && Object.hasOwn(graph, source) ? [source] : [];
  });
}

function linkSource(value: Json): string | undefined {
  return Array.isArray(value) && value.length === 2 && typeof value[0] === 'string' ? value[0] : undefined;
}

/** The first cycle met on the way up from `start`, in the order of the links; undefined if there is none. */
export function findCycle(graph: JsonObject, start: string): string[] | undefined {
  const path: string[] = [];
  const finished = new Set<string>();
  const visit = (id: string): string[] | undefined => {
    const at = path.indexOf(id);
    if (at >= 0) return path.slice(at);
    if (finished.has(id)) return undefined;
    path.push(id);
    for (const source of linkedNodes(graph, id)) {
      const cycle = visit(source);
      if (cycle !== undefined) return cycle;
    }
    path.pop();
    finished.add(id);
    return undefined;
  };
  return visit(start);
}
