import { calculate } from './formula.js';
import { type Graph, type GraphNode, isLink, linkAt, nodeAt, type Slot } from './graph.js';
import { isRecord } from './read-graph.js';
import { MEGAPIXEL } from './sizes.js';
import { convert } from './verdict/python.js';

/** Assumed frames per second of a video file, which are unknown. */
const USUAL_FPS = 60;
/** Assumed width, height and frames of pictures of unknown size, such as those of a video file. */
const USUAL_VIDEO = [1024, 576, 121] as const;

/** A number and its place. */
export interface NumberAt {
  /** Its upper bound. */
  readonly value: number;
  /** Its lower bound, if it is not known exactly. */
  readonly least?: number;
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

  /** `sizeOf`: width, height and number of the pictures that leave a node; NaN if unknown. */
  add(id: string, sizeOf: (node: string) => readonly number[]): void {
    const made = this.madeBy(id, sizeOf);
    if (made.length > 0) this.made.set(id, made);
  }

  private madeBy(id: string, sizeOf: (node: string) => readonly number[]): readonly (NumberAt | undefined)[] {
    const node = nodeAt(this.graph, id);
    const numberAt = (input: string) => this.at({ node: id, input });
    switch (node.class_type) {
      case 'ComfyMathExpression': {
        const range = (name: string) => {
          const number = numberAt(`values.${name}`);
          return number && { least: number.least ?? number.value, most: number.value };
        };
        const { least, most } = calculate(String(node.inputs.expression), range);
        const at = { node: id, input: 'expression' };
        if (!Number.isFinite(most) || !Number.isFinite(least)) return [];
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
        return [{ ...(off.value > on.value ? off : on), least }];
      }
      case 'GetVideoComponents':
        return Array<NumberAt>(5).fill({ value: USUAL_FPS, least: 1, at: { node: id, input: 'video' } });
      case 'ResolutionSelector': {
        const [width = 1, height = 1] = String(node.inputs.aspect_ratio).split(':').map(Number.parseFloat);
        const area = (numberAt('megapixels')?.value ?? Number.NaN) * MEGAPIXEL;
        const at = { node: id, input: 'megapixels' };
        return [width / height, height / width].map((shape) => ({ value: Math.sqrt(area * shape), least: 1, at }));
      }
      case 'GetImageSize': {
        const sides = sizeOf(linkAt(node, 'image')?.[0] ?? '');
        const known = sides.some(Number.isNaN) ? USUAL_VIDEO : sides;
        const at = { node: id, input: 'image' };
        return known.map((value) => ({ value, least: 1, at }));
      }
      default: {
        const input = passedInput(node);
        const number = input === undefined ? undefined : numberAt(input);
        return [number, number];
      }
    }
  }
}

/**
 * The input that a primitive or a reroute passes on. A node with further texts or options may calculate with the
 * number.
 */
function passedInput({ inputs }: GraphNode): string | undefined {
  const names = Object.keys(inputs);
  const sources = names.filter((input) => isLink(inputs[input]) || ['number', 'bigint'].includes(typeof inputs[input]));
  const isPlain = sources[0] === 'value' || names.length === 1;
  return sources.length === 1 && isPlain ? sources[0] : undefined;
}
