import { type Catalogue, isOutputClass } from '../describe/catalogue.js';
import { type Graph, type GraphNode, isLink } from '../graph.js';
import { showJson } from '../json-text.js';
import { listLength } from '../list-length.js';

/**
 * The longest text that nodes of a key's graph may make, all items of a list together. A prompt has a few thousand
 * characters, and encoders read each character once for each parenthesis around it.
 */
export const MAX_TEXT_CHARS = 100_000;
/**
 * The most characters of a text, each counted once for every parenthesis around it. ComfyUI takes up to 0.1 s for a
 * million of them, in each of up to four encoders, and hears no interrupt meanwhile.
 */
export const MAX_NESTED_CHARS = 10_000_000;
/**
 * Most characters that all output nodes of a graph may show. ComfyUI keeps them in its history, and answers nobody
 * while it writes them as JSON.
 */
export const MAX_SHOWN_CHARS = 1_000_000;
/** After searching this many characters, only the lengths of texts are used. */
const MAX_SEARCHED_CHARS = 1_000_000;
/** Assumed for a text that a node makes from other things than texts. */
const USUAL_TEXT_CHARS = 200;
/** The widest field of a template, see TEMPLATE in forbidden-parts.ts. */
const MAX_FIELD_CHARS = 99;

interface Size {
  /** Length of the longest item. */
  readonly length: number;
  readonly items: number;
  /** Its opening parentheses. */
  readonly parentheses: number;
  /** The text, if the graph contains it. */
  readonly text?: string | undefined;
}

/** The characters of a text, each counted once for every parenthesis around it. */
export function nestedChars(text: string): number {
  let depth = 0;
  let sum = 0;
  for (const character of text) {
    if (character === '(') depth += 1;
    sum += depth;
    if (character === ')') depth = Math.max(0, depth - 1);
  }
  return sum;
}

/**
 * What is known about the text that leaves a node: an upper bound by class and input names. Nodes of a cycle pass
 * nothing on.
 */
export function textSizes(graph: Graph): (node: string) => Size {
  const known = new Map<string, Size>();
  let searched = 0;
  const sizeOf = (id: string): Size => {
    const measured = known.get(id);
    const node = graph[id];
    if (measured !== undefined || node === undefined) return measured ?? { ...NONE, items: 1 };
    known.set(id, { ...NONE, items: 1 });
    const sizes = Object.entries(node.inputs).map(([name, value]) => [name, inputSize(value)] as const);
    const lists = sizes.map(([, { items }]) => items);
    searched += sizes.reduce((all, [, { text = '' }]) => all + text.length, 0);
    const told =
      searched > MAX_SEARCHED_CHARS
        ? sizes.map(([name, size]) => [name, { ...size, text: undefined }] as const)
        : sizes;
    const size = { ...made(node, told), items: listLength(node.class_type, lists, 1) };
    known.set(id, size);
    return size;
  };
  const inputSize = (value: unknown): Size => {
    if (isLink(value)) return sizeOf(value[0]);
    if (typeof value === 'string') return { ...sizeOfText(value), items: 1 };
    return { ...(typeof value === 'object' ? sizeOfText(showJson(value)) : NONE), text: undefined, items: 1 };
  };
  return sizeOf;
}

/**
 * Ids of the nodes whose text could be too long, alone or together with what other output nodes show, or could nest too
 * much in parentheses. Nodes that join texts double them, so a chain of forty would fill the memory of any host. Without
 * a catalogue any node may show its text.
 */
export function growingTexts(graph: Graph, catalogue: Catalogue = {}): string[] {
  const sizeOf = textSizes(graph);
  let shown = 0;
  return Object.entries(graph).flatMap(([id, { class_type: className }]) => {
    const { length, items, parentheses, text } = sizeOf(id);
    const nested = text === undefined ? length * parentheses : nestedChars(text);
    const isShown = isOutputClass(catalogue, className) !== false;
    if (isShown) shown += length * items;
    const isTooLong = length * items > MAX_TEXT_CHARS || (isShown && shown > MAX_SHOWN_CHARS);
    return isTooLong || nested * items > MAX_NESTED_CHARS ? [id] : [];
  });
}

type Sizes = readonly (readonly [input: string, size: Omit<Size, 'items'>])[];

const NONE: Omit<Size, 'items'> = { length: 0, parentheses: 0 };

function sizeOfText(text: string): Omit<Size, 'items'> {
  return { length: text.length, parentheses: text.split('(').length - 1, text };
}

function made({ class_type: className, inputs }: GraphNode, sizes: Sizes): Omit<Size, 'items'> {
  const of = (input: string) => sizes.find(([name]) => name === input)?.[1] ?? NONE;
  const all = sizes.map(([, size]) => size);
  const sum = { length: total(all, 'length'), parentheses: total(all, 'parentheses') };
  const longest = { length: most(all, 'length'), parentheses: most(all, 'parentheses') };
  switch (className) {
    case 'StringReplace':
    case 'ReplaceText': {
      const before = className === 'StringReplace' ? of('string') : of('texts');
      const [find, replace] = [of('find').text ?? '', of('replace')];
      const parts = find === '' ? undefined : before.text?.split(find);
      // An empty text matches before each character and at the end.
      const times = parts === undefined ? before.length / (find.length || 1) + 1 : parts.length + 1;
      const length = before.length + times * replace.length;
      const parentheses = before.parentheses + times * replace.parentheses;
      const isKnown = length <= MAX_TEXT_CHARS && replace.text !== undefined;
      return { length, parentheses, text: isKnown ? parts?.join(replace.text) : undefined };
    }
    case 'StringFormat': {
      const fields = String(inputs.f_string).split('{').length - 1;
      return {
        // Python escapes the quotes of a text that is printed as part of a list, and their escapes.
        length: of('f_string').length + fields * (2 * longest.length + MAX_FIELD_CHARS),
        parentheses: of('f_string').parentheses + fields * (longest.parentheses + MAX_FIELD_CHARS),
      };
    }
    case 'StringConcatenate':
    case 'AddTextPrefix':
    case 'AddTextSuffix':
      return sum;
    case 'BuildJsonPromptIdeogram':
    case 'ConvertArrayToString':
    case 'ConvertDictionaryToString':
      // JSON in JSON: quotes are escaped, and their escapes.
      return { length: 2 * sum.length + USUAL_TEXT_CHARS, parentheses: sum.parentheses };
    case 'JsonExtractString': {
      const text = jsonText(of('json_string').text, of('key').text);
      // JSON can write a parenthesis as \u0028.
      return text === undefined ? { ...longest, parentheses: longest.length } : sizeOfText(text);
    }
    default: {
      // A node that passes on one of its texts, such as a primitive or a switch.
      const [only, ...others] = all.filter(({ length, text }) => length > 0 || text !== undefined);
      if (only === undefined) return { ...NONE, length: USUAL_TEXT_CHARS };
      return others.length === 0 ? only : longest;
    }
  }
}

type Amount = 'length' | 'parentheses';

function total(sizes: readonly Pick<Size, Amount>[], of: Amount): number {
  return sizes.reduce((sum, size) => sum + size[of], 0);
}

function most(sizes: readonly Pick<Size, Amount>[], of: Amount): number {
  return sizes.reduce((most, size) => Math.max(most, size[of]), 0);
}

function jsonText(json: string | undefined, key: string | undefined): string | undefined {
  try {
    const value: unknown = Object(JSON.parse(json ?? ''))[key ?? ''];
    return typeof value === 'string' ? value : undefined;
  } catch {
    return undefined;
  }
}
