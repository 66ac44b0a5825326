import { type Catalogue, outputTypes } from './describe/catalogue.js';
import { type Graph, type GraphNode, isLink, linkAt, linkedInputs, nodeAt } from './graph.js';
import type { LoadedFile, Sound } from './loaded-media.js';
import type { Numbers } from './numbers.js';
import {
  imagesOf,
  known,
  largest,
  longestOf,
  ONE,
  type Pictures,
  type Shape,
  type Side,
  scaledBy,
  scaledTo,
  sidesOf,
  UNKNOWN,
  UNKNOWN_PICTURES,
  widenedBy,
} from './picture-shapes.js';
import { MEGAPIXEL } from './sizes.js';
import { latentOfSound } from './sound-flow.js';

const DECODED_TYPES = /\b(IMAGE|LATENT|MASK)\b/;
export const PICTURE_TYPES = /\b(IMAGE|LATENT|MASK|VIDEO|WAN_CAMERA_EMBEDDING)\b|MATCHTYPE|^\*$/;
/** Assumed for upscale models without a factor in their names. */
const USUAL_MODEL_FACTOR = 4;
/** Classes with a width and a height that make no picture of that size. */
const SIZED_ONLY = /TextEncode(SDXL|PixArt)|ModelSampling|Scheduler$|SetArea|TextBox|BoundingBox|Embedding$/;
/** Nodes that crop pictures without enlarging them. */
const CROPS = /crop(?!ToMask)/i;
/** Nodes that change the shape of pictures, or return one of several. */
const CHANGES_SHAPE = /crop|rotate|cut|switch|bucket|preprocess/i;
/** FluxKontextImageScale uses one of a list of sizes, from 672×1568 to 1568×672, with at most this many pixels. */
const KONTEXT = { longest: 1568, side: Math.sqrt(1328 * 800) };
const REPEATS = /repeat/i;
export const JOINS = /batch|stitch|concat|append|combine|AddGuide/i;
/** Nodes that add frames to a latent. */
const ADDS_FRAMES = /AddGuide/;
const DIVIDES = /^(Rebatch|Split)|From(Image)?Batch$|SeedBehavior|ConcatAVLatent$/;
/** Nodes that cut a video to the required length before they scale it. */
const CUTS_FRAMES = /^Wan|Vace/;
const INTERPOLATES = /interpolat|vfi\b/i;
/** Classes that make latents, if the catalogue does not tell. */
const MAKES = /latent|VAEEncode/i;

interface Around {
  readonly catalogue: Catalogue | undefined;
  readonly numbers: Numbers;
  /** Length of the node's longest input list. */
  readonly listed: number;
}

export interface Made {
  readonly pictures: Pictures;
  readonly adds: boolean;
  /** How many pictures of a list it makes for each input picture. */
  readonly tiles?: number;
}

/** One node, described by the names of its class and inputs. Inputs of dynamic choices count by their last part. */
export class PictureNode {
  private readonly graph: Graph;
  private readonly id: string;
  private readonly around: Around;
  private readonly node: GraphNode;
  private readonly inputs: ReadonlyMap<string, string>;

  constructor(graph: Graph, id: string, around: Around) {
    this.graph = graph;
    this.id = id;
    this.around = around;
    this.node = nodeAt(graph, id);
    const names = Object.keys(this.node.inputs);
    this.inputs = new Map([
      ...names.map((input) => [input.slice(input.lastIndexOf('.') + 1), input] as const),
      ...names.map((input) => [input, input] as const),
    ]);
  }

  after(sources: readonly Pictures[], loaded: LoadedFile, sound: Sound | undefined): Made | undefined {
    const before = sources.reduce<Pictures | undefined>((one, other) => largest(one, other), undefined);
    const tiled = this.tiled(before);
    if (tiled !== undefined) return tiled;
    const changed =
      this.repeated(before) ??
      this.stitched(sources) ??
      this.joined(before, sources) ??
      this.grid(before) ??
      this.sized(before) ??
      this.matched(before) ??
      this.scaled(before);
    if (changed !== undefined)
      return { pictures: { ...changed, isEncoded: false, isDecoded: before?.isDecoded }, adds: true };
    const passed = this.reshaped(before) ?? this.read(loaded);
    if (passed === undefined) return this.source(sound);
    const decodes = passed.isEncoded === true && this.decodes();
    return { pictures: decodes ? { ...passed, isEncoded: false } : passed, adds: decodes };
  }

  /** The pictures of a node without input pictures. If their size is unknown, only the work counts. */
  private source(sound: Sound | undefined): Made | undefined {
    const types = this.outputTypes();
    const makes =
      types === undefined ? MAKES.test(this.node.class_type) : types.some((type) => DECODED_TYPES.test(type));
    if (!makes) return undefined;
    if (this.makesLatents()) {
      const frames = known(this.side('batch_size')?.value, 1);
      const latent = sound && { ...latentOfSound(sound), count: ONE };
      return { pictures: latent ?? { ...UNKNOWN_PICTURES, frames }, adds: false };
    }
    const side = this.side('resolution', 'texture_size') ?? UNKNOWN;
    return { pictures: { ...UNKNOWN_PICTURES, width: side, height: side }, adds: true };
  }

  private reshaped(before: Pictures | undefined): Pictures | undefined {
    if (before === undefined || !CHANGES_SHAPE.test(this.node.class_type)) return before;
    return this.cropped(before) ?? { ...before, longest: longestOf(before) };
  }

  /** A crop with a known place and size, from a picture with a known shape. */
  private cropped(before: Pictures): Pictures | undefined {
    if (this.node.class_type !== 'ImageCrop' || before.longest !== undefined) return undefined;
    const [x, y, width, height] = [this.side('x'), this.side('y'), this.side('width'), this.side('height')];
    const isExact = [x, y, width, height].every((side) => side?.least === undefined && !Number.isNaN(side?.value));
    if (!isExact) return undefined;
    const cut = (side: Side, from = 0, length = side.value): Side => ({
      ...side,
      value: Math.min(length, side.value - Math.min(from, side.value - 1)),
    });
    return {
      ...before,
      width: cut(before.width, x?.value, width?.value),
      height: cut(before.height, y?.value, height?.value),
    };
  }

  private side(...names: readonly string[]): Side | undefined {
    for (const name of names) {
      const input = this.inputs.get(name);
      if (input === undefined) continue;
      const found = this.around.numbers.at({ node: this.id, input });
      return found === undefined ? UNKNOWN : { ...found, value: Math.max(0, found.value) };
    }
    return undefined;
  }

  private repeated(before: Pictures | undefined): Pictures | undefined {
    const times = REPEATS.test(this.node.class_type) ? this.side('amount', 'times', 'repeats') : undefined;
    if (before === undefined || times === undefined || Number.isNaN(times.value)) return undefined;
    const { count, frames } = before;
    if (!this.makesLatents()) return { ...before, frames: frames * times.value };
    return { ...before, count: { value: count.value * times.value, at: times.at } };
  }

  private joined(before: Pictures | undefined, sources: readonly Pictures[]): Pictures | undefined {
    const { class_type: name } = this.node;
    if (before === undefined || !JOINS.test(name) || DIVIDES.test(name) || sources.length < 2) return undefined;
    const sum = (of: (one: Pictures) => number) => sources.reduce((all, one) => all + of(one), 0);
    if (!this.makesLatents() || ADDS_FRAMES.test(name)) return { ...before, frames: sum(({ frames }) => frames) };
    return { ...before, count: { ...before.count, value: sum(({ count }) => count.value) } };
  }

  /** A list of tiles of each picture, which overlap by at most three quarters, or a list of the pictures of a batch. */
  private tiled(before: Pictures | undefined): Made | undefined {
    if (before === undefined) return undefined;
    if (/^Rebatch/.test(this.node.class_type)) return { pictures: { ...before, count: ONE, frames: 1 }, adds: false };
    const overlap = this.side('overlap')?.value ?? 0;
    const pieces = (side: Side, { value, least = value }: Side) =>
      Math.max(1, Math.ceil(known(side.value / Math.max(least / 4, least - overlap), 1)));
    const [width, height] = [this.side('tile_width'), this.side('tile_height')];
    if (width === undefined || height === undefined) return undefined;
    const sides = sidesOf(before);
    const tiles = pieces(sides.width, width) * pieces(sides.height, height);
    const longest = Math.max(width.value, height.value); // tiles at the edges are smaller
    return { pictures: { ...before, width, height, longest }, adds: false, tiles };
  }

  /** A picture whose width and height are given. */
  private sized(before: Pictures | undefined): Pictures | undefined {
    const width = this.side('width', 'target_width', 'final_width');
    const height = this.side('height', 'target_height', 'final_height');
    const isOne = ['width', 'height'].some((name) => this.inputs.get(name) === `resize_type.${name}`);
    const given = isOne ? { width: width ?? { value: 0 }, height: height ?? { value: 0 } } : { width, height };
    if (given.width === undefined || given.height === undefined || !this.makesPictures()) return undefined;
    if (CROPS.test(this.node.class_type) && before !== undefined) return undefined;
    const shape = this.shaped({ width: given.width, height: given.height }, before);
    const length = this.side('length', 'frames', 'video_frames', 'num_frames')?.value;
    // A VAE for videos makes four frames of each layer.
    const layers = 4 * (this.side('layers')?.value ?? 0);
    const batch = this.side('batch_size');
    const isScale = before !== undefined && length === undefined && batch === undefined;
    // ComfyUI scales latents to at least 64 pixels.
    const least = (side: Side) => ({ ...side, value: Math.max(side.value, this.makesLatents() ? 64 : 0) });
    if (isScale)
      return { ...before, longest: undefined, ...shape, width: least(shape.width), height: least(shape.height) };
    // It may scale all input pictures before it selects those that it needs.
    const scaled = before === undefined || CUTS_FRAMES.test(this.node.class_type) ? 0 : imagesOf(before);
    const frames = Math.max(scaled, known(length, 1) + known(layers, 0));
    if (this.makesLatents()) return { ...shape, count: batch === undefined ? ONE : batch, frames };
    return { ...shape, count: ONE, frames: frames * known(batch?.value, 1) };
  }

  /** A width or height of 0 follows from the other one and the shape of the source. */
  private shaped(given: Shape, before: Pictures | undefined): Shape {
    const { width, height } = given;
    if (width.value === 0 && height.value === 0) return before ?? { width: UNKNOWN, height: UNKNOWN };
    const isExact = width.least === undefined && height.least === undefined;
    const longest = isExact ? {} : { longest: Math.max(width.value, height.value) };
    if (width.value !== 0 && height.value !== 0) return { width, height, ...longest };
    const [one, of] = width.value === 0 ? [height, 'width' as const] : [width, 'height' as const];
    const other = of === 'width' ? 'height' : 'width';
    const ratio = before === undefined ? 1 : (before.longest ?? before[of].value / before[other].value);
    const side = { value: Math.ceil(one.value * known(ratio, 1) - 1e-6), at: one.at };
    const sides = of === 'width' ? { width: side, height } : { width, height: side };
    return before?.longest === undefined ? { ...sides, ...longest } : { ...sides, longest: side.value };
  }

  /** Two pictures side by side or stacked; the second may be scaled to the common side. */
  private stitched(sources: readonly Pictures[]): Pictures | undefined {
    const { class_type: name, inputs } = this.node;
    const links = linkedInputs(this.node).filter((input) => /^image[12]$/.test(input));
    const [one, other] = links[0] === 'image2' ? sources.toReversed() : sources;
    if (name !== 'ImageStitch' || one === undefined || other === undefined) return undefined;
    const isTall = ['up', 'down'].includes(String(inputs.direction));
    const [along, across] = isTall ? (['height', 'width'] as const) : (['width', 'height'] as const);
    const [first, second] = [sidesOf(one), sidesOf(other)];
    const [side, otherSide] = [Math.max(1, first[across].value), Math.max(1, second[across].value)];
    const isScaled = inputs.match_image_size !== false;
    const ratio = isScaled ? (other.longest === undefined ? side / otherSide : side) : 1;
    const spacing = known(this.side('spacing_width')?.value, 0);
    const sides = {
      [along]: { ...first[along], value: first[along].value + second[along].value * ratio + spacing },
      [across]: { ...first[across], value: isScaled ? side : Math.max(side, otherSide) },
    };
    const isKnown = [one, other].every(({ longest }) => longest === undefined);
    const made = { ...largest(one, other), longest: undefined, ...sides };
    return isKnown ? made : { ...made, longest: Math.max(made.width.value, made.height.value) };
  }

  /** One picture of all pictures, each in a cell. */
  private grid(before: Pictures | undefined): Pictures | undefined {
    const [cellWidth, cellHeight, columns] = [this.side('cell_width'), this.side('cell_height'), this.side('columns')];
    if (before === undefined || cellWidth === undefined || cellHeight === undefined || columns === undefined)
      return undefined;
    const across = Math.max(1, known(columns.value, 1));
    const padding = known(this.side('padding')?.value, 0);
    const down = Math.ceil((imagesOf(before) * this.around.listed) / across);
    const width = { ...cellWidth, value: (cellWidth.value + padding) * across };
    return { width, height: { ...cellHeight, value: (cellHeight.value + padding) * down }, count: ONE, frames: 1 };
  }

  /** Pictures in the size of another one. */
  private matched(before: Pictures | undefined): Pictures | undefined {
    return this.inputs.get('match') === 'resize_type.match' ? before : undefined;
  }

  private scaled(before: Pictures | undefined): Pictures | undefined {
    if (before === undefined) return undefined;
    if (this.node.class_type === 'FluxKontextImageScale') {
      const side = { value: KONTEXT.side };
      return { ...before, width: side, height: side, longest: KONTEXT.longest };
    }
    const by = this.side('scale_by', 'scale_ratio') ?? this.factorOfResize() ?? this.factorOfModel();
    if (by !== undefined && !Number.isNaN(by.value)) return scaledBy(before, by, this.makesLatents() ? 32 : 1);
    const longest = this.side('largest_size', 'longer_size', 'longer_edge');
    if (longest !== undefined) return scaledTo(before, longest, 'longest');
    const shortest =
      this.node.class_type === 'TripoSplatPreprocessImage'
        ? this.side('size')
        : this.side('shorter_size', 'shorter_edge');
    if (shortest !== undefined) return scaledTo(before, shortest, 'shortest');
    const area = this.side('megapixels');
    if (area !== undefined) {
      const wanted = { value: Math.sqrt(area.value * MEGAPIXEL), at: area.at };
      const more = Math.floor(known(this.side('resolution_steps')?.value, 1) / 2);
      return widenedBy(scaledTo(before, wanted, 'area'), more, more);
    }
    if (/pad/i.test(this.node.class_type)) {
      const more = (...names: readonly string[]) =>
        names.reduce((all, name) => all + known(this.side(name)?.value, 0), 0);
      return widenedBy(before, more('left', 'right'), more('top', 'bottom'));
    }
    const times = INTERPOLATES.test(this.node.class_type) ? this.side('multiplier') : undefined;
    if (times !== undefined) return { ...before, frames: before.frames * known(times.value, 1) };
    const length = /Extend$/.test(this.node.class_type) ? this.side('length') : undefined;
    return length && { ...before, frames: Math.max(before.frames, known(length.value, 1)) };
  }

  private factorOfResize(): Side | undefined {
    return this.inputs.get('multiplier') === 'resize_type.multiplier' ? this.side('multiplier') : undefined;
  }

  /** Upscale models have their factor in their names: 4x-UltraSharp, RealESRGAN_x2plus. */
  private factorOfModel(): Side | undefined {
    const link = linkAt(this.node, 'upscale_model');
    if (link === undefined) return undefined;
    const names = Object.values(this.graph[link[0]]?.inputs ?? {}).filter((value) => typeof value === 'string');
    const written = /(?:^|[^0-9])([1-9]|1[0-6])x|x([1-9]|1[0-6])(?![0-9])/i.exec(names.join(' '));
    const value = Number(written?.[1] ?? written?.[2] ?? USUAL_MODEL_FACTOR);
    return { value, at: { node: this.id, input: 'upscale_model' } };
  }

  private read(loaded: LoadedFile): Pictures | undefined {
    for (const input of Object.keys(this.node.inputs)) {
      if (isLink(this.node.inputs[input])) continue;
      const picture = loaded({ node: this.id, input })?.picture;
      if (picture === undefined) continue;
      const { width, height, frames, longest } = picture;
      return { width: { value: width }, height: { value: height }, count: ONE, frames, longest, isEncoded: true };
    }
    return undefined;
  }

  private decodes(): boolean {
    const { class_type: className, inputs } = this.node;
    // It copies the video if no conversion is needed.
    if (className === 'SaveVideo')
      return Object.entries(inputs).some(([input, value]) => /format|codec/.test(input) && value !== 'auto');
    // A cut video is encoded anew when it is saved.
    if (className === 'VideoFrameSample' || className === 'Video Slice') return true;
    const types = this.outputTypes();
    return types === undefined
      ? className === 'GetVideoComponents' || !/video|audio/i.test(className)
      : types.some((type) => DECODED_TYPES.test(type));
  }

  private makesPictures(): boolean {
    const types = this.outputTypes();
    return types === undefined
      ? !SIZED_ONLY.test(this.node.class_type)
      : types.some((type) => PICTURE_TYPES.test(type));
  }

  private makesLatents(): boolean {
    const types = this.outputTypes();
    return types === undefined
      ? /latent/i.test(this.node.class_type) || !/image|mask/i.test(this.node.class_type)
      : types.includes('LATENT');
  }

  private outputTypes(): readonly string[] | undefined {
    return outputTypes(this.around.catalogue, this.node.class_type);
  }
}
