import { type Catalogue, outputTypes } from './describe/catalogue.js';
import { type Graph, isModelFile, linkAt, nodeAt } from './graph.js';
import { showJson } from './json-text.js';
import type { Sound } from './loaded-media.js';
import type { Made } from './picture-node.js';
import { scaledBy } from './picture-shapes.js';
import { stripOf } from './sound-flow.js';

/** Models whose VAE makes more than 8×8 pixels of a latent. */
interface CoarseModels {
  readonly files: RegExp;
  /** The classes that make latents of their size. */
  readonly classes: RegExp;
  /** How many times as wide and high as counted, and with how many times the frames, other latents can become. */
  readonly side: number;
  readonly frames: number;
}

const COARSE: readonly CoarseModels[] = [
  { files: /ltx/i, classes: /LTX/, side: 4, frames: 2 },
  { files: /hunyuan.?image/i, classes: /HunyuanImage/, side: 4, frames: 1 },
  { files: /hunyuan.?video.?1.?5|hy1.5/i, classes: /HunyuanVideo15/, side: 2, frames: 1 },
  { files: /wan.?2.?2.*(vae|5b)|taew2.2/i, classes: /^Wan22/, side: 2, frames: 1 },
  { files: /flux.?2|small_decoder|mage.?flow/i, classes: /Flux2|MageFlow/, side: 2, frames: 1 },
  { files: /minimax/i, classes: /MiniMaxH3/, side: 2, frames: 1 },
];
/** Classes that make latents, if the catalogue does not tell. */
const MAKES_LATENTS = /latent|VAEEncode|sampler/i;

export function coarseModels(graph: Graph): readonly CoarseModels[] {
  const names = Object.values(graph).flatMap(({ inputs }) =>
    Object.entries(inputs).flatMap(([input, value]) =>
      isModelFile(value) || (input === 'vae_name' && typeof value === 'string') ? [value] : [],
    ),
  );
  return COARSE.filter(({ files }) => names.some((name) => files.test(name)));
}

interface Around {
  readonly catalogue: Catalogue | undefined;
  readonly coarse: readonly CoarseModels[];
  /** The sound that leaves the node. */
  readonly sound: Sound | undefined;
}

/**
 * What a node makes, with what decided the size of its latents. Samplers give an empty latent the channels of their model
 * and keep its width and height. A VAE of coarse models then makes larger pictures of it.
 */
export function sizedByVae(
  graph: Graph,
  id: string,
  made: Made | undefined,
  { catalogue, coarse, sound }: Around,
): Made | undefined {
  if (made === undefined) return undefined;
  const node = nodeAt(graph, id);
  const { class_type: name, inputs } = node;
  const { pictures } = made;
  const link = linkAt(node, 'vae');
  const vae = link && showJson(graph[link[0]]?.inputs.vae_name ?? link);
  if (vae !== undefined && /decode/i.test(name)) {
    const growths = (pictures.sizedBy ?? []).flatMap((by) =>
      by === vae ? [] : coarse.filter(({ classes }) => !classes.test(by)),
    );
    const side = Math.max(1, ...growths.map((one) => one.side));
    const isStrip = sound !== undefined && pictures.width.value === 0 && !/audio/i.test(name);
    const decoded = { ...pictures, ...(isStrip ? stripOf(sound) : {}), sizedBy: undefined, isDecoded: true };
    if (growths.length === 0) return { ...made, pictures: decoded };
    const frames = decoded.frames * Math.max(1, ...growths.map((one) => one.frames));
    return { pictures: { ...scaledBy(decoded, { value: side }), frames }, adds: true };
  }
  const isLatent = outputTypes(catalogue, name)?.includes('LATENT') ?? MAKES_LATENTS.test(name);
  const before = pictures.sizedBy ?? [];
  const isSized = 'width' in inputs && made.adds;
  const sizer = vae === undefined || isSized ? name : vae;
  const sizedBy = isSized || before.length === 0 ? [sizer] : before;
  return { ...made, pictures: { ...pictures, sizedBy: isLatent ? sizedBy : undefined } };
}
