import { type Catalogue, outputTypes } from './describe/catalogue.js';
import { type Graph, isLink, linkAt, linkedInputs, nodeAt } from './graph.js';
import { coarseModels, sizedByVae } from './latent-sizes.js';
import { listLength } from './list-length.js';
import type { LoadedFile, Sound } from './loaded-media.js';
import { Numbers } from './numbers.js';
import { JOINS, PICTURE_TYPES, PictureNode } from './picture-node.js';
import { imagesOf, type Pictures, sidesOf, UNKNOWN_PICTURES } from './picture-shapes.js';
import { textSizes } from './rights/text-growth.js';
import { isSampler } from './sampling.js';
import { soundAfter } from './sound-flow.js';
import { nodeInputs } from './verdict/node-inputs.js';

export interface PictureFlow {
  readonly numbers: Numbers;
  /** The pictures that leave each node; for a list, one item. */
  readonly pictures: ReadonlyMap<string, Pictures>;
  /** Lengths of the lists that leave nodes. */
  readonly lists: ReadonlyMap<string, number>;
  /** How many parts the joining nodes combine: conditionings, tracks, hooks, models and the like. */
  readonly joined: ReadonlyMap<string, number>;
  /** The nodes that create pixels, including by decoding, scaling, repeating and joining. */
  readonly makers: ReadonlySet<string>;
  /** An upper bound for the sound that leaves each node, also as a latent or inside a video. */
  readonly sounds: ReadonlyMap<string, Sound>;
  /** How many texts of usual length the conditioning of a node contains. */
  readonly texts: ReadonlyMap<string, number>;
}

/** Types that other nodes convert back to pictures, of the size of the original ones. */
const DERIVED_TYPES =
  /\b(LAYERS|FACE_LANDMARKS|POSE_KEYPOINT|OPTICAL_FLOW|SAM3_TRACK_DATA|DA3_GEOMETRY|MOGE_GEOMETRY|MESH)\b/;
const PICTURE_INPUT =
  /^(latents?|latent_image|samples|pixels|images?|frames|video|input|destination|source|masks?|(start|end)_image)(\d+|_\d+|\..+)?$/;
const LATENT_INPUT = /^LATENT$|^(latents?|samples)(\d+|_\d+|\..+)?$/;
/** Classes that combine two inputs of any type, so that a chain of them doubles the result at each node. */
const JOINS_PARTS = /concat|combine|merge/i;
/** Classes that make conditionings, if the catalogue does not tell. */
const CONDITIONS = /conditioning|TextEncode/i;
/** Bytes of a usual text; each becomes at most about one token. */
const USUAL_TEXT = 512;
/** Most bytes of a character, where only the length of a text is known. */
const CHARACTER = 3;

/** Follows numbers, lists and pictures through the whole graph. Nodes of a cycle pass nothing on. */
export function followPictures(graph: Graph, catalogue: Catalogue | undefined, loaded: LoadedFile): PictureFlow {
  const numbers = new Numbers(graph);
  const pictures = new Map<string, Pictures>();
  const lists = new Map<string, number>();
  const parts = new Map<string, number>();
  const joined = new Map<string, number>();
  const makers = new Set<string>();
  const sounds = new Map<string, Sound>();
  const texts = new Map<string, number>();
  const textOf = textSizes(graph);
  const coarse = coarseModels(graph);
  const sizeOf = (source: string) => {
    const one = pictures.get(source) ?? UNKNOWN_PICTURES;
    const { width, height } = sidesOf(one);
    const { count, frames, isDecoded } = one;
    return [width, height, { value: count.value * frames }].map((side) => ({ ...side, isDecoded }));
  };
  const entered = new Set<string>();
  const open = Object.keys(graph);
  // Without recursion, because a chain of nodes may be longer than the stack.
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
    textOf(id); // in this order, so that long chains need no deep stack
    const conditioning = textsAfter(graph, id, { catalogue, texts, textOf });
    if (conditioning !== undefined) texts.set(id, conditioning);
    const made = sizedByVae(graph, id, node.after(found, loaded, sound), { catalogue, coarse, sound });
    const batch = Math.max(1, ...found.map(imagesOf));
    lists.set(id, listLength(nodeAt(graph, id).class_type, lengths, batch) * (made?.tiles ?? 1));
    numbers.add(id, sizeOf);
    if (made === undefined) continue;
    pictures.set(id, made.pictures);
    if (made.adds) makers.add(id);
  }
  return { numbers, pictures, lists, joined, makers, sounds, texts };
}

/**
 * The texts in a node's conditioning. A chain of nodes that join a conditioning with itself doubles it at each node.
 */
function textsAfter(
  graph: Graph,
  id: string,
  {
    catalogue,
    texts,
    textOf,
  }: {
    readonly catalogue: Catalogue | undefined;
    readonly texts: ReadonlyMap<string, number>;
    readonly textOf: ReturnType<typeof textSizes>;
  },
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
  const bytesOf = (value: unknown): number => {
    if (typeof value === 'string') return Buffer.byteLength(value);
    if (!isLink(value) || texts.has(value[0])) return 0;
    const { text, length } = textOf(value[0]);
    return text === undefined ? CHARACTER * length : Buffer.byteLength(text);
  };
  const written = Object.values(inputs).reduce<number>((all, value) => all + bytesOf(value), 0);
  return Math.max(1, written / USUAL_TEXT, ...passed);
}

/** The pictures that the node processes. */
function picturesBefore(
  graph: Graph,
  id: string,
  {
    catalogue,
    pictures,
  }: { readonly catalogue: Catalogue | undefined; readonly pictures: ReadonlyMap<string, Pictures> },
): Pictures[] {
  const node = nodeAt(graph, id);
  const inputs = nodeInputs(catalogue?.[node.class_type], node.inputs);
  const types = new Map(inputs.map(({ name, type }) => [name, typeof type === 'string' ? type : 'COMBO']));
  const typeOf = (input: string) => types.get(input);
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
    // A node that changes a latent scales other pictures to the latent's size.
    const isBeside = latents.length > 0 && !latents.includes(input);
    return [isBeside ? { ...UNKNOWN_PICTURES, frames: imagesOf(one) } : one];
  });
}
