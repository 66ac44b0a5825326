import { type Catalogue, inputSpec, outputTypes } from './describe/catalogue.js';
import { type Graph, type GraphNode, isLink, linkAt, linkedInputs, nodeAt, type Slot } from './graph.js';
import { listLength } from './list-length.js';
import type { LoadedFile, Sound } from './loaded-media.js';
import { Numbers } from './numbers.js';
import { isSampler } from './sampling.js';
import { MEGAPIXEL } from './sizes.js';
import { latentOfSound, soundAfter } from './sound-flow.js';

/** An upper bound for the pictures that leave a node, as latents or as images. A latent's size is that of its picture. */
export interface Pictures {
  readonly width: Side;
  readonly height: Side;
  /** Pictures of a batch of latents. */
  readonly count: Side;
  /** Frames of a video, and images of a batch, for each of them. */
  readonly frames: number;
  /**
   * Set if their shape is not known, as after a crop by numbers that are not known: the most pixels that their longer side has. The
   * shorter one may then have a single pixel, and `width` × `height` bounds only their area.
   */
  readonly longest?: number | undefined;
  /** They are those of a file that no node has decoded. */
  readonly isEncoded?: boolean;
}

export interface Side {
  /** NaN: unknown. */
  readonly value: number;
  /** The least, if a number over links decides it that is not known exactly. */
  readonly least?: number | undefined;
  /** Where the number that decides it stands. */
  readonly at?: Slot | undefined;
  /** That number is a factor. */
  readonly isScaled?: boolean;
}

export interface PictureFlow {
  readonly numbers: Numbers;
  /** What leaves each node that makes or passes on pictures; of a list, one item. */
  readonly pictures: ReadonlyMap<string, Pictures>;
  /** Lengths of the lists that leave the nodes. */
  readonly lists: ReadonlyMap<string, number>;
  /** Of how many parts together the nodes make theirs that join conditionings, tracks, hooks, models and the like. */
  readonly joined: ReadonlyMap<string, number>;
  /** The nodes that add pixels of their own, by decoding, scaling, repeating and joining too. */
  readonly makers: ReadonlySet<string>;
  /** An upper bound for what leaves each node that makes or passes on a sound, also as a latent or inside a video. */
  readonly sounds: ReadonlyMap<string, Sound>;
  /** How many texts of usual length the conditioning that leaves a node holds. */
  readonly texts: ReadonlyMap<string, number>;
}

type Shape = Pick<Pictures, 'width' | 'height' | 'longest'>;

const UNKNOWN: Side = { value: Number.NaN };
const ONE: Side = { value: 1 };
const UNKNOWN_PICTURES: Pictures = { width: UNKNOWN, height: UNKNOWN, count: ONE, frames: 1 };
/** Counted as work on a picture of unknown size. */
const USUAL_SIDE = 2048;
/** Pixels that are counted for each picture, however small it is. */
const SMALLEST_WORK = 128 ** 2;
/** Upscale models that do not say their factor in their names. */
const USUAL_MODEL_FACTOR = 4;

const DECODED_TYPES = /\b(IMAGE|LATENT|MASK)\b/;
const PICTURE_TYPES = /\b(IMAGE|LATENT|MASK|VIDEO|WAN_CAMERA_EMBEDDING)\b|MATCHTYPE|^\*$/;
/** Types that other nodes turn into pictures again, as large as the pictures that they come from. */
const DERIVED_TYPES =
  /\b(LAYERS|FACE_LANDMARKS|POSE_KEYPOINT|OPTICAL_FLOW|SAM3_TRACK_DATA|DA3_GEOMETRY|MOGE_GEOMETRY|MESH)\b/;
const PICTURE_INPUT =
  /^(latents?|latent_image|samples|pixels|images?|frames|video|input|destination|source|masks?|(start|end)_image)(\d+|_\d+|\..+)?$/;
const LATENT_INPUT = /^LATENT$|^(latents?|samples)(\d+|_\d+|\..+)?$/;
/** Classes that have a width and a height without making a picture of that size. */
const SIZED_ONLY = /TextEncode(SDXL|PixArt)|ModelSampling|Scheduler$|SetArea|TextBox|BoundingBox|Embedding$/;
/** Nodes that cut pictures without enlarging them. */
const CROPS = /crop(?!ToMask)/i;
/** Nodes that leave pictures of other shapes than they get, or one of several. */
const CHANGES_SHAPE = /crop|rotate|cut|switch|bucket|preprocess/i;
/** FluxKontextImageScale makes one of a list of sizes, from 672×1568 to 1568×672, with at most so many pixels. */
const KONTEXT = { longest: 1568, side: Math.sqrt(1328 * 800) };
const REPEATS = /repeat/i;
const JOINS = /batch|stitch|concat|append|combine/i;
const DIVIDES = /^(Rebatch|Split)|From(Image)?Batch$|SeedBehavior|ConcatAVLatent$/;
const DIVIDES_BATCH = /^(Rebatch|SeedVR2TemporalChunk)/;
/** Nodes that cut a video to the length that they need before they scale it. */
const CUTS_FRAMES = /^Wan|Vace/;
/** Classes that make one of two, whatever their type, so that a chain of them doubles it at each node. */
const JOINS_PARTS = /concat|combine|merge/i;
const INTERPOLATES = /interpolat|vfi\b/i;
/** Classes that make latents, if the catalogue does not say so. */
const MAKES = /latent|VAEEncode/i;
/** The same for conditioning. */
const CONDITIONS = /conditioning|TextEncode/i;
/** Characters of a text of usual length; each becomes about one token at most. */
const USUAL_TEXT = 512;

/** Follows numbers, lists and pictures through the whole graph. Nodes of a circle pass nothing on. */
export function followPictures(graph: Graph, catalogue: Catalogue | undefined, loaded: LoadedFile): PictureFlow {
  const numbers = new Numbers(graph);
  const pictures = new Map<string, Pictures>();
  const lists = new Map<string, number>();
  const parts = new Map<string, number>();
  const joined = new Map<string, number>();
  const makers = new Set<string>();
  const sounds = new Map<string, Sound>();
  const texts = new Map<string, number>();
  const sizeOf = (source: string) => {
    const one = pictures.get(source) ?? UNKNOWN_PICTURES;
    const { width, height } = sidesOf(one);
    const { count, frames } = one;
    return [width.value, height.value, count.value * frames];
  };
  const entered = new Set<string>();
  const open = Object.keys(graph);
  // Not by recursion: a chain of nodes may be longer than the stack.
  for (let id = open.pop(); id !== undefined; id = open.pop()) {
    const links = linkedInputs(nodeAt(graph, id)).flatMap((input) => linkAt(nodeAt(graph, id), input)?.[0] ?? []);
    if (!entered.has(id)) {
      entered.add(id);
      const later = links.filter((source) => Object.hasOwn(graph, source) && !entered.has(source));
      if (later.length > 0) {
        open.push(id, ...later);
        continue;
      }
    }
    if (lists.has(id)) continue;
    const found = picturesBefore(graph, id, { catalogue, pictures });
    const lengths = links.map((source) => lists.get(source) ?? 1);
    const linked = links.map((source) => parts.get(source) ?? 1);
    parts.set(id, Math.max(1, ...linked));
    if (JOINS_PARTS.test(nodeAt(graph, id).class_type) && linked.length > 1) {
      const sum = linked.reduce((all, one) => all + one, 0);
      parts.set(id, sum);
      joined.set(id, sum);
    }
    const node = new PictureNode(graph, id, { catalogue, numbers, listed: Math.max(1, ...lengths) });
    const sources = links.flatMap((source) => sounds.get(source) ?? []);
    const sound = soundAfter(graph, id, { catalogue, numbers, sources, loaded });
    if (sound !== undefined) sounds.set(id, sound);
    const conditioning = textsAfter(graph, id, { catalogue, texts });
    if (conditioning !== undefined) texts.set(id, conditioning);
    const made = node.after(found, loaded, sound);
    const batch = Math.max(1, ...found.map(imagesOf));
    lists.set(id, listLength(nodeAt(graph, id).class_type, lengths, batch) * (made?.tiles ?? 1));
    numbers.add(id, sizeOf);
    if (made === undefined) continue;
    pictures.set(id, made.pictures);
    if (made.adds) makers.add(id);
  }
  return { numbers, pictures, lists, joined, makers, sounds, texts };
}

/** Unknown sizes count as nothing. */
export function pixelsOf({ width, height, count, frames }: Pictures): number {
  return width.value * height.value * count.value * frames || 0;
}

/** The pixels that a node handles that makes these pictures. Small ones take time as well, and unknown ones count too. */
export function workOn({ width, height, count, frames, isEncoded = false }: Pictures): number {
  if (isEncoded) return 0;
  const pixels = known(width.value, USUAL_SIDE) * known(height.value, USUAL_SIDE);
  return Math.max(pixels, SMALLEST_WORK) * known(count.value, 1) * frames;
}

/** A chain of nodes that join a conditioning with itself doubles it in each node. */
function textsAfter(
  graph: Graph,
  id: string,
  { catalogue, texts }: { readonly catalogue: Catalogue | undefined; readonly texts: ReadonlyMap<string, number> },
): number | undefined {
  const node = nodeAt(graph, id);
  const { class_type: name, inputs } = node;
  if (!(outputTypes(catalogue, name)?.includes('CONDITIONING') ?? CONDITIONS.test(name))) return undefined;
  const before = linkedInputs(node).flatMap((input) => {
    const value = texts.get(linkAt(node, input)?.[0] ?? '');
    return value === undefined ? [] : [{ isNegative: /^negative/.test(input), value }];
  });
  const sum = (wanted: boolean) =>
    before.reduce((all, { isNegative, value }) => (isNegative === wanted ? all + value : all), 0);
  const passed = JOINS.test(name) ? [sum(true), sum(false)] : before.map(({ value }) => value);
  const written = Object.values(inputs).reduce<number>(
    (all, value) => (typeof value === 'string' ? all + value.length : all),
    0,
  );
  return Math.max(1, written / USUAL_TEXT, ...passed);
}

/** The pictures that the node works on. */
function picturesBefore(
  graph: Graph,
  id: string,
  {
    catalogue,
    pictures,
  }: { readonly catalogue: Catalogue | undefined; readonly pictures: ReadonlyMap<string, Pictures> },
): Pictures[] {
  const node = nodeAt(graph, id);
  const typeOf = (input: string) => catalogue && inputSpec(catalogue, node.class_type, input)?.type;
  const carries = (input: string) => {
    if (isSampler(node)) return input === 'latent_image';
    const type = typeOf(input);
    return type === undefined
      ? PICTURE_INPUT.test(input.replace(/^inputs\./, ''))
      : PICTURE_TYPES.test(type) || DERIVED_TYPES.test(type);
  };
  const carrying = linkedInputs(node).filter(carries);
  const latents = carrying.filter((input) => LATENT_INPUT.test(typeOf(input) ?? input));
  return carrying.flatMap((input) => {
    const source = linkAt(node, input)?.[0] ?? '';
    if (!Object.hasOwn(graph, source)) return [];
    const one = pictures.get(source) ?? UNKNOWN_PICTURES;
    // A node that changes a latent scales pictures beside it to the size of the latent.
    const isBeside = latents.length > 0 && !latents.includes(input);
    return [isBeside ? { ...UNKNOWN_PICTURES, frames: imagesOf(one) } : one];
  });
}

interface Around {
  readonly catalogue: Catalogue | undefined;
  readonly numbers: Numbers;
  /** Items of the longest list that the node gets. */
  readonly listed: number;
}

interface Made {
  readonly pictures: Pictures;
  readonly adds: boolean;
  /** Pictures of which it makes a list for each that it gets. */
  readonly tiles?: number;
}

/** One node, by what its class and its inputs are called. Inputs of dynamic choices count by their last part. */
class PictureNode {
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
      this.scaled(before);
    if (changed !== undefined) return { pictures: { ...changed, isEncoded: false }, adds: true };
    const passed = this.reshaped(before) ?? this.read(loaded);
    if (passed === undefined) return this.source(sound);
    const decodes = passed.isEncoded === true && this.decodes();
    return { pictures: decodes ? { ...passed, isEncoded: false } : passed, adds: decodes };
  }

  /** The pictures of a node that starts from no other picture. If their size is not known, only the work counts. */
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

  /** A crop whose place and size are known, out of a picture whose shape is known. */
  private cropped(before: Pictures): Pictures | undefined {
    if (!/^(Image|Latent)Crop$/.test(this.node.class_type) || before.longest !== undefined) return undefined;
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
    if (!this.makesLatents()) return { ...before, frames: sum(({ frames }) => frames) };
    return { ...before, count: { ...before.count, value: sum(({ count }) => count.value) } };
  }

  /** A list of pieces of each picture, which overlap by three quarters at most, or each picture of a batch. */
  private tiled(before: Pictures | undefined): Made | undefined {
    if (before === undefined) return undefined;
    if (DIVIDES_BATCH.test(this.node.class_type))
      return { pictures: { ...before, count: ONE, frames: 1 }, adds: false };
    const overlap = this.side('overlap')?.value ?? 0;
    const pieces = (side: Side, tile: Side) =>
      Math.max(1, Math.ceil(known(side.value / Math.max(tile.value / 4, tile.value - overlap), 1)));
    const [width, height] = [this.side('tile_width'), this.side('tile_height')];
    if (width === undefined || height === undefined) return undefined;
    const sides = sidesOf(before);
    const tiles = pieces(sides.width, width) * pieces(sides.height, height);
    const longest = Math.max(width.value, height.value); // those at the edges are smaller
    return { pictures: { ...before, width, height, longest }, adds: false, tiles };
  }

  /** Where width and height are given. */
  private sized(before: Pictures | undefined): Pictures | undefined {
    const width = this.side('width', 'target_width', 'final_width');
    const height = this.side('height', 'target_height', 'final_height');
    const isOne = ['width', 'height'].some((name) => this.inputs.get(name) === `resize_type.${name}`);
    const given = isOne ? { width: width ?? { value: 0 }, height: height ?? { value: 0 } } : { width, height };
    if (given.width === undefined || given.height === undefined || !this.makesPictures()) return undefined;
    if (CROPS.test(this.node.class_type) && before !== undefined) return undefined;
    const shape = this.shaped({ width: given.width, height: given.height }, before);
    const length = this.side('length', 'frames', 'video_frames', 'num_frames')?.value;
    const layers = this.side('layers')?.value ?? 0;
    const batch = this.side('batch_size');
    const isScale = before !== undefined && length === undefined && batch === undefined;
    if (isScale) return { ...before, longest: undefined, ...shape };
    // It may scale all pictures that it gets before it takes those that it needs.
    const scaled = before === undefined || CUTS_FRAMES.test(this.node.class_type) ? 0 : imagesOf(before);
    const frames = Math.max(scaled, known(length, 1) + known(layers, 0));
    if (this.makesLatents()) return { ...shape, count: batch === undefined ? ONE : batch, frames };
    return { ...shape, count: ONE, frames: frames * known(batch?.value, 1) };
  }

  /** A width or height of 0 follows the other in the shape of the source. */
  private shaped(given: Shape, before: Pictures | undefined): Shape {
    const { width, height } = given;
    if (width.value === 0 && height.value === 0) return before ?? { width: UNKNOWN, height: UNKNOWN };
    const isExact = width.least === undefined && height.least === undefined;
    const longest = isExact ? {} : { longest: Math.max(width.value, height.value) };
    if (width.value !== 0 && height.value !== 0) return { width, height, ...longest };
    const [one, of] = width.value === 0 ? [height, 'width' as const] : [width, 'height' as const];
    const other = of === 'width' ? 'height' : 'width';
    const ratio = before === undefined ? 1 : (before.longest ?? before[of].value / before[other].value);
    const side = { value: one.value * known(ratio, 1), at: one.at };
    const sides = of === 'width' ? { width: side, height } : { width, height: side };
    return before?.longest === undefined ? { ...sides, ...longest } : { ...sides, longest: side.value };
  }

  /** Two pictures beside or above each other, of which the second may be scaled to the side where they meet. */
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
    const made = { ...one, ...sides, frames: Math.max(one.frames, other.frames) };
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

  private scaled(before: Pictures | undefined): Pictures | undefined {
    if (before === undefined) return undefined;
    if (this.node.class_type === 'FluxKontextImageScale') {
      const side = { value: KONTEXT.side };
      return { ...before, width: side, height: side, longest: KONTEXT.longest };
    }
    const by = this.side('scale_by', 'scale_ratio') ?? this.factorOfResize() ?? this.factorOfModel();
    if (by !== undefined && !Number.isNaN(by.value)) return scaledBy(before, by);
    const longest = this.side('largest_size', 'longer_size', 'longer_edge');
    if (longest !== undefined) return scaledTo(before, longest, 'longest');
    const shortest =
      this.node.class_type === 'TripoSplatPreprocessImage'
        ? this.side('size')
        : this.side('shorter_size', 'shorter_edge');
    if (shortest !== undefined) return scaledTo(before, shortest, 'shortest');
    const area = this.side('megapixels');
    if (area !== undefined) {
      return scaledTo(before, { value: Math.sqrt(area.value * MEGAPIXEL), at: area.at }, 'area');
    }
    if (/pad/i.test(this.node.class_type)) {
      const more = (...names: readonly string[]) =>
        names.reduce((all, name) => all + known(this.side(name)?.value, 0), 0);
      const { width, height } = sidesOf(before);
      return {
        ...before,
        width: { ...width, value: width.value + more('left', 'right') },
        height: { ...height, value: height.value + more('top', 'bottom') },
        ...(before.longest === undefined ? {} : { longest: before.longest + more('left', 'right', 'top', 'bottom') }),
      };
    }
    const times = INTERPOLATES.test(this.node.class_type) ? this.side('multiplier') : undefined;
    if (times !== undefined) return { ...before, frames: before.frames * known(times.value, 1) };
    const length = /Extend$/.test(this.node.class_type) ? this.side('length') : undefined;
    return length && { ...before, frames: Math.max(before.frames, known(length.value, 1)) };
  }

  private factorOfResize(): Side | undefined {
    return this.inputs.get('multiplier') === 'resize_type.multiplier' ? this.side('multiplier') : undefined;
  }

  /** Upscale models say it in their names: 4x-UltraSharp, RealESRGAN_x2plus. */
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
    // It copies what it need not convert.
    if (className === 'SaveVideo')
      return Object.entries(inputs).some(([input, value]) => /format|codec/.test(input) && value !== 'auto');
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

function imagesOf({ count, frames }: Pictures): number {
  return known(count.value, 1) * frames;
}

function longestOf({ width, height, longest }: Pictures): number {
  return longest ?? Math.max(width.value, height.value);
}

/** Bounds of each side for itself. */
function sidesOf(pictures: Pictures): Pick<Pictures, 'width' | 'height'> {
  const { width, height, longest } = pictures;
  if (longest === undefined) return pictures;
  return { width: { ...width, value: longest }, height: { ...height, value: longest } };
}

function scaledBy(before: Pictures, by: Side): Pictures {
  const scaled = ({ value, at }: Side) => ({ value: value * by.value, at: by.at ?? at, isScaled: true });
  const { width, height, longest } = before;
  const sides = { width: scaled(width), height: scaled(height) };
  return { ...before, ...sides, ...(longest === undefined ? {} : { longest: longest * by.value }) };
}

/**
 * So that one side of a picture, or the root of its area, becomes the wanted number of pixels. A picture of an unknown
 * shape may have a shorter side of one pixel; of an unknown size, it becomes a square.
 */
function scaledTo(before: Pictures, wanted: Side, what: 'longest' | 'shortest' | 'area'): Pictures {
  const { width, height, longest } = before;
  const square = { ...before, width: wanted, height: wanted };
  if (longest === undefined) {
    const sides = [width.value, height.value] as const;
    const present = { longest: Math.max(...sides), shortest: Math.min(...sides), area: Math.sqrt(sides[0] * sides[1]) };
    if (Number.isNaN(present[what])) return square;
    return scaledBy(before, { value: wanted.value / present[what], at: wanted.at });
  }
  if (what === 'longest') return { ...square, longest: wanted.value };
  if (what === 'area') return { ...square, longest: wanted.value * Math.sqrt(longest) };
  const long = { ...wanted, value: wanted.value * longest, isScaled: true };
  return { ...before, width: long, height: wanted, longest: long.value };
}

function largest(one: Pictures | undefined, other: Pictures): Pictures {
  if (one === undefined) return other;
  const larger = (a: Side, b: Side) => (b.value > a.value || Number.isNaN(a.value) ? b : a);
  const isUnknown = [one, other].some(({ width, height }) => Number.isNaN(width.value + height.value));
  const isAlike = one.width.value === other.width.value && one.height.value === other.height.value;
  const isKnown = one.longest === undefined && other.longest === undefined && (isUnknown || isAlike);
  return {
    ...(isKnown ? {} : { longest: Math.max(known(longestOf(one), 1), known(longestOf(other), 1)) }),
    width: larger(one.width, other.width),
    height: larger(one.height, other.height),
    count: larger(one.count, other.count),
    frames: Math.max(one.frames, other.frames),
  };
}

function known(value: number | undefined, otherwise: number): number {
  return value === undefined || Number.isNaN(value) ? otherwise : value;
}
