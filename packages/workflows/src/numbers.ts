import { calculate, type Range } from './formula.js';
import { type Graph, type GraphNode, isLink, linkAt, nodeAt, type Slot } from './graph.js';
import { NODE_TABLE } from './nodes/node-table.js';
import { isRecord } from './read-graph.js';
import { MEGAPIXEL } from './sizes.js';
import { convert } from './verdict/python.js';

/** A number and its place. */
export interface NumberAt {
  /** Its upper bound. */
  readonly value: number;
  /** Its lower bound, if it is not known exactly. */
  readonly least?: number | undefined;
  /** It is the size of a picture that a VAE made, which may be larger than we think. */
  readonly isDecoded?: boolean | undefined;
  readonly at: Slot;
}

/**
 * The numbers of a graph, including those that other nodes pass on or calculate. A node is added after the nodes that
 * it is linked to.
 */
export class Numbers {
  private readonly graph: Graph;
  /** By node, one number per output. */
  private readonly made = new Map<string, readonly (NumberAt | undefined)[]>();
  /** The bounds of the formulas, by node. */
  readonly bounds: Record<string, Range> = {};

  constructor(graph: Graph) {
    this.graph = graph;
  }

  /** Undefined: there is none, or it cannot be known before the graph runs. */
  at(slot: Slot): NumberAt | undefined {
    const given = this.graph[slot.node]?.inputs[slot.input];
    if (isLink(given)) return this.made.get(given[0])?.[given[1]];
    const result = convert('FLOAT', isRecord(given) && '__value__' in given ? given.__value__ : given);
    const value = 'value' in result ? Number(result.value) : Number.NaN;
    return Number.isNaN(value) ? undefined : { value, at: slot };
  }

  /** The lower bound of a number that makes more the smaller it is. */
  leastAt(slot: Slot): number | undefined {
    const number = this.at(slot);
    return number && Math.max(0, number.least ?? number.value);
  }

  /** `sizeOf`: width, height and number of the pictures that leave a node; NaN if unknown. */
  add(id: string, sizeOf: SizeOf): void {
    const made = this.madeBy(id, sizeOf);
    if (made.length > 0) this.made.set(id, made);
  }

  private madeBy(id: string, sizeOf: SizeOf): readonly (NumberAt | undefined)[] {
    const node = nodeAt(this.graph, id);
    const numberAt = (input: string) => this.at({ node: id, input });
    switch (node.class_type) {
      case 'ComfyMathExpression': {
        const rangeOf = (name: string) => {
          const { value, least = value } = numberAt(`values.${name}`) ?? { value: Number.NaN };
          return { least, most: value };
        };
        const { least = Number.NaN, most = Number.NaN } = calculate(String(node.inputs.expression), rangeOf) ?? {};
        const at = { node: id, input: 'expression' };
        if (Number.isNaN(most)) return [];
        this.bounds[id] = { least, most };
        return [
          { value: most, least, at },
          { value: Math.trunc(most), least: Math.trunc(least), at },
          { value: 1, least: 0, at },
        ];
      }
      case 'ComfySwitchNode': {
        const [off, on] = [numberAt('on_false'), numberAt('on_true')];
        if (off === undefined || on === undefined) return [];
        const least = Math.min(off.least ?? off.value, on.least ?? on.value);
        const isDecoded = off.isDecoded || on.isDecoded;
        return [{ ...(off.value > on.value ? off : on), least, isDecoded }];
      }
      case 'ResolutionSelector': {
        const { aspect_ratio: shape } = node.inputs;
        if (typeof shape !== 'string') return [];
        const [width = 1, height = 1] = shape.split(':').map(Number.parseFloat);
        const area = (numberAt('megapixels')?.value ?? Number.NaN) * MEGAPIXEL;
        const at = { node: id, input: 'megapixels' };
        const { value: multiple, least: smallest } = numberAt('multiple') ?? { value: 1 };
        const side = (ratio: number) => {
          const exact = Math.sqrt(area * ratio) + (smallest === undefined ? 0 : multiple);
          return { value: Math.ceil((exact - 1e-6) / multiple) * multiple, least: 0, at };
        };
        return [side(width / height), side(height / width)];
      }
      case 'GetImageSize': {
        const sides = sizeOf(linkAt(node, 'image')?.[0] ?? '');
        if (sides.some(({ value }) => Number.isNaN(value))) return [];
        const at = { node: id, input: 'image' };
        return sides.map((side) => ({ ...side, least: 1, at }));
      }
      default: {
        const input = passedInput(node);
        const number = input === undefined ? undefined : numberAt(input);
        return [number, number];
      }
    }
  }
}

type SizeOf = (node: string) => readonly Pick<NumberAt, 'value' | 'isDecoded'>[];

/** Classes of ComfyUI that pass a number on. Others may have an input of such a name and make something else of it. */
const PASSING = new Set(['PrimitiveInt', 'PrimitiveFloat', 'SeedNode', 'ComfyNumberConvert']);
const PASSED = new Set(['value', 'seed']);

/** The input of a primitive, also of one of a custom node. */
function passedInput({ class_type: className, inputs }: GraphNode): string | undefined {
  if (NODE_TABLE.has(className) && !PASSING.has(className)) return undefined;
  const numbers = Object.keys(inputs).filter(
    (input) => isLink(inputs[input]) || ['number', 'bigint'].includes(typeof inputs[input]),
  );
  return numbers.length === 1 && PASSED.has(numbers[0] ?? '') ? numbers[0] : undefined;
}
