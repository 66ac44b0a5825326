import { type Graph, linkAt, linkedInputs, neededOf, nodeAt } from './graph.js';
import { showJson } from './json-text.js';
import { followPictures } from './picture-flow.js';
import { longestOf, pixelsOf } from './picture-shapes.js';

/** The class that saves pictures as PNGs, and the one that can save them as lossless WebP. */
export const SAVES_PNG = 'SaveImage';
export const SAVES_WEBP = 'SaveAnimatedWEBP';
/** The option of SaveAnimatedWEBP on which fast saving relies. */
export const FASTEST = 'fastest';

/** The longest side of a WebP. */
const LONGEST_SIDE = 16_383;
/** Larger pictures take long anyway, and the worker decodes them in memory. */
export const MOST_FAST_PIXELS = 4096 ** 2;
/** The VAE alone decides whether pictures of these classes are transparent. */
const DECODES = new Set(['VAEDecode', 'VAEDecodeTiled']);

/**
 * The SaveImage nodes that SaveAnimatedWEBP can replace without changing a pixel, provided that the VAE makes opaque
 * pictures: a WebP does not keep the colours of transparent pixels. They save one decoded picture of a possible size, and
 * no other node uses them. A batch would become an animation, in which identical pictures become one. The values are the
 * nodes that make the VAE, as JSON.
 */
export function fastSaveNodes(graph: Graph): ReadonlyMap<string, string> {
  const nodes = Object.entries(graph);
  const decoderOf = (id: string) => linkAt(nodeAt(graph, id), 'images')?.[0] ?? '';
  const vaeOf = (id: string) => linkAt(nodeAt(graph, decoderOf(id)), 'vae')?.[0] ?? '';
  const candidates = nodes.flatMap(([id, { class_type, inputs }]) => {
    if (class_type !== SAVES_PNG || Object.keys(inputs).length !== 2) return [];
    const isDecoded = DECODES.has(graph[decoderOf(id)]?.class_type ?? '');
    return isDecoded && typeof inputs.filename_prefix === 'string' ? [id] : [];
  });
  if (candidates.length === 0 || nodes.some(([, { class_type }]) => class_type === SAVES_WEBP)) return new Map();
  const used = new Set(
    nodes.flatMap(([, node]) => linkedInputs(node).flatMap((name) => linkAt(node, name)?.[0] ?? [])),
  );
  const { pictures, lists } = followPictures(graph, undefined, () => undefined);
  const replaceable = candidates.filter((id) => {
    const decoded = pictures.get(decoderOf(id));
    if (used.has(id) || decoded === undefined || (lists.get(decoderOf(id)) ?? 1) !== 1) return false;
    const pixels = pixelsOf(decoded); // 0 if the size or the number is unknown
    const isOne = decoded.count.value * decoded.frames === 1;
    return isOne && pixels > 0 && pixels <= MOST_FAST_PIXELS && longestOf(decoded) <= LONGEST_SIDE;
  });
  return new Map(replaceable.map((id) => [id, showJson(neededOf(graph, [vaeOf(id)]))]));
}

/** The graph with SaveAnimatedWEBP in place of these SaveImage nodes. */
export function withFastSave(graph: Graph, ids: readonly string[]): Graph {
  const replaced = ids.map((id) => {
    const node = nodeAt(graph, id);
    const { class_type, inputs, _meta = { title: class_type } } = node;
    const options = { fps: 1, lossless: true, quality: 0, method: FASTEST };
    return [id, { ...node, class_type: SAVES_WEBP, inputs: { ...inputs, ...options }, _meta }] as const;
  });
  return { ...graph, ...Object.fromEntries(replaced) };
}

const OPTIONS = /, "fps": 1(?:\.0)?, "lossless": true, "quality": 0, "method": "fastest"/g;

/** Turns the text of such a graph, as ComfyUI writes it into a file, into that of the original graph. */
export function withoutFastSave(json: string): string {
  return json.replaceAll(`"class_type": "${SAVES_WEBP}"`, `"class_type": "${SAVES_PNG}"`).replace(OPTIONS, '');
}

/** Whether the node, in the original graph, was replaced when it saved this file. */
export function isFastSaved(graph: Graph, nodeId: string, filename: string): boolean {
  return graph[nodeId]?.class_type === SAVES_PNG && filename.endsWith('.webp');
}
