import { type Graph, type Link, linkAt, nodeAt, onlyLink } from './graph.js';

/** What lies behind a sampler's `latent_image`; node ids, of several the one nearest the sampler. */
export interface LatentSource {
  /** Decides the size: an empty latent, ImageScale, … */
  readonly size: string | undefined;
  /** Decides how many: an empty latent, RepeatLatentBatch. */
  readonly count: string | undefined;
  /** Loads a picture. */
  readonly image: string | undefined;
  /** Where the search came to its end. */
  readonly end: string;
}

/** What latent and picture nodes call what they work on. */
const PASSING = ['samples', 'latent_image', 'latent', 'latents', 'pixels', 'image', 'images'];

export function traceLatent(graph: Graph, start: Link): LatentSource {
  let size: string | undefined;
  let count: string | undefined;
  for (let id = start[0]; ; ) {
    const node = nodeAt(graph, id);
    const sized = 'width' in node.inputs && 'height' in node.inputs;
    if (sized) size ??= id;
    if ((sized && 'batch_size' in node.inputs) || /^Repeat(Latent|Image)Batch$/.test(node.class_type)) count ??= id;
    if (typeof node.inputs.image === 'string') return { size, count, image: id, end: id };
    const passing = PASSING.find((input) => linkAt(node, input) !== undefined);
    const next = passing === undefined ? onlyLink(node, 'vae') : linkAt(node, passing);
    if (next === undefined) return { size, count, image: undefined, end: id };
    id = next[0];
  }
}
