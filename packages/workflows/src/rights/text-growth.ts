import { type Graph, type GraphNode, isLink } from '../graph.js';

/**
 * The longest text, list or sound that nodes of a key's graph may make, in characters, items or milliseconds. A prompt has a
 * few thousand characters.
 */
export const MAX_TEXT_CHARS = 16 * 1024 * 1024;
/** Counted for a sound whose length is not known, such as that of a file. */
const USUAL_SOUND_MS = 600_000;
/** The widest that a field of a template may be, see TEMPLATE in forbidden-parts.ts. */
const MAX_FIELD_CHARS = 99;

/**
 * The ids of the nodes whose text, list or sound could exceed MAX_TEXT_CHARS. Nodes that join texts double them, so that a chain
 * of forty would fill the memory of any host. Lengths are upper bounds by class and input names: a text that another node
 * computes from other things than texts counts as short. Expects a graph without circles, as `readGraph` leaves it.
 */
export function growingTexts(graph: Graph): string[] {
  const known = new Map<string, number>();
  const lengthOf = (id: string): number => {
    const measured = known.get(id);
    const node = graph[id];
    if (measured !== undefined || node === undefined) return measured ?? 0;
    const lengths = Object.entries(node.inputs).map(([name, value]) => [name, inputLength(value)] as const);
    const length = lengthMade(node, lengths);
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

function lengthMade({ class_type: className, inputs }: GraphNode, lengths: Lengths): number {
  const of = (input: string) => lengths.find(([name]) => name === input)?.[1] ?? 0;
  const sum = () => lengths.reduce((all, [, length]) => all + length, 0);
  const longest = () => Math.max(0, ...lengths.map(([, length]) => length));
  switch (className) {
    case 'StringReplace':
    case 'ReplaceText':
      // An empty text to find is found before each character and at the end.
      return (of('string') + of('texts') + 1) * (of('replace') + 1);
    case 'StringFormat': {
      // Python escapes the quotes of a text that is printed as part of a list, and their escapes.
      const fields = String(inputs.f_string).split('{').length - 1;
      return of('f_string') + fields * (2 * longest() + MAX_FIELD_CHARS);
    }
    case 'StringConcatenate':
    case 'AddTextPrefix':
    case 'AddTextSuffix':
      return sum();
    case 'EmptyAudio':
      return Number(inputs.duration) * 1000;
    case 'AudioConcat':
    case 'AudioMerge':
      return lengths.reduce((all, [, length]) => all + (length || USUAL_SOUND_MS), 0);
    case 'CreateList':
      return lengths.length + sum();
    default:
      // A node that passes one of its texts on, such as a switch.
      return longest();
  }
}
