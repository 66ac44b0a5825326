import { type Graph, isLink } from '../graph.js';

/** The longest text that nodes of a key's graph may make, in characters. A prompt has a few thousand. */
export const MAX_TEXT_CHARS = 16 * 1024 * 1024;

/**
 * The ids of the nodes whose text could exceed MAX_TEXT_CHARS. Nodes that join texts double them, so that a chain of forty
 * would fill the memory of any host. Lengths are upper bounds by class and input names: a text that another node computes
 * from other things than texts counts as short. Expects a graph without circles, as `readGraph` leaves it.
 */
export function growingTexts(graph: Graph): string[] {
  const known = new Map<string, number>();
  const lengthOf = (id: string): number => {
    const measured = known.get(id);
    const node = graph[id];
    if (measured !== undefined || node === undefined) return measured ?? 0;
    const lengths = Object.entries(node.inputs).map(([name, value]) => [name, inputLength(value)] as const);
    const length = textLength(node.class_type, lengths);
    known.set(id, length);
    return length;
  };
  const inputLength = (value: unknown) => {
    if (isLink(value)) return lengthOf(value[0]);
    return typeof value === 'string' ? value.length : 0;
  };
  return Object.keys(graph).filter((id) => lengthOf(id) > MAX_TEXT_CHARS);
}

type Lengths = readonly (readonly [input: string, length: number])[];

function textLength(className: string, lengths: Lengths): number {
  const of = (input: string) => lengths.find(([name]) => name === input)?.[1] ?? 0;
  switch (className) {
    case 'StringReplace':
      // An empty text to find is found before each character and at the end.
      return (of('string') + 1) * (of('replace') + 1);
    case 'StringConcatenate':
    case 'StringFormat':
      return lengths.reduce((sum, [, length]) => sum + length, 0);
    default:
      // A node that passes one of its texts on, such as a switch.
      return Math.max(0, ...lengths.map(([, length]) => length));
  }
}
