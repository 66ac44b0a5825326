import { type Catalogue, outputTypes } from './describe/catalogue.js';
import { type Graph, nodeAt } from './graph.js';
import type { LoadedFile, Sound } from './loaded-media.js';
import type { Numbers } from './numbers.js';
import { ONE, type Pictures } from './picture-shapes.js';

/** Assumed for an unknown sound. */
const USUAL: Sound = { seconds: 600, rate: 48_000, channels: 2 };
/** For a file without sound. */
const SILENCE: Sound = { seconds: 0, rate: 0, channels: 0 };
/** In ComfyUI a pixel of a picture takes 12 bytes, a sample of a sound 4. */
const SAMPLES_PER_PIXEL = 3;
/** Nodes that convert a sound to the rate of their model or format. */
const RESAMPLES = /Encode.*Audio|Audio.*Encode|^SaveAudio/;

/** A latent takes about 5,500 bytes per second, a sound with 48,000 samples of two channels 384,000. */
const LATENT_SHARE = 1 / 64;
/** Classes that concatenate latents of sounds, and classes that repeat them. */
const JOINS = /batch|concat/i;
const REPEATS = /repeat/i;

/** The memory of a sound that leaves a node of the class as a sound or as a latent, in pixels of a picture. */
export function pixelsOfSound(
  { seconds, rate, channels }: Sound,
  catalogue: Catalogue | undefined,
  className: string,
): number {
  const pixels = (seconds * rate * channels) / SAMPLES_PER_PIXEL;
  if (RESAMPLES.test(className) || makesSound(catalogue, className)) return pixels;
  const makesLatent = outputTypes(catalogue, className)?.includes('LATENT') ?? /latent/i.test(className);
  return makesLatent ? pixels * LATENT_SHARE : 0;
}

/**
 * A sound's latent as one picture per second, so that nodes can join and scale it like any other latent. Its own pixels
 * count as those of a sound.
 */
export function latentOfSound({ seconds }: Sound) {
  return { width: { value: 0 }, height: { value: 0 }, frames: Math.max(1, seconds) };
}

/** What a VAE of pictures makes of the latent of a sound: a strip of at most 128 times 200 pixels a second. */
export function stripOf({ seconds }: Sound): Pictures {
  const side = { value: Math.sqrt(128 * 200) };
  return { width: side, height: side, longest: Math.max(128, 200 * seconds), count: ONE, frames: Math.max(1, seconds) };
}

function makesSound(catalogue: Catalogue | undefined, className: string): boolean {
  return outputTypes(catalogue, className)?.includes('AUDIO') ?? /^(?!.*Latent).*Audio/.test(className);
}

interface Around {
  readonly catalogue: Catalogue | undefined;
  readonly numbers: Numbers;
  /** The sounds of the linked nodes, one per link. */
  readonly sources: readonly Sound[];
  readonly loaded: LoadedFile;
}

export function soundAfter(graph: Graph, id: string, around: Around): Sound | undefined {
  const { class_type: className, inputs } = nodeAt(graph, id);
  const { catalogue, numbers, sources, loaded } = around;
  const number = (input: string) => numbers.at({ node: id, input })?.value;
  const { seconds: usual, rate: usualRate, channels: usualChannels } = USUAL;
  if (className === 'EmptyAudio') {
    const [rate = usualRate, channels = usualChannels] = [number('sample_rate'), number('channels')];
    return { seconds: number('duration') ?? usual, rate, channels };
  }
  if (/latent/i.test(className)) {
    const seconds =
      number('seconds') ??
      (number('frames_number') ?? Number.NaN) / (numbers.leastAt({ node: id, input: 'frame_rate' }) ?? 1);
    if (!Number.isNaN(seconds)) return { ...USUAL, seconds: seconds * (number('batch_size') ?? 1) };
  }
  const files = Object.keys(inputs).flatMap((input) => loaded({ node: id, input }) ?? []);
  const found = [...sources, ...files.map(({ sound = SILENCE }) => sound)];
  const isMaker = makesSound(catalogue, className);
  if (found.length === 0) return isMaker ? USUAL : undefined;
  const lengths = found.map(({ seconds }) => seconds);
  // Nodes that get two sounds may join them, with the higher rate and two channels.
  const isLatent = /latent/i.test(className);
  const joins = isMaker || (isLatent && JOINS.test(className));
  const joined = joins ? lengths.reduce((all, one) => all + one, 0) : Math.max(...lengths);
  const scaled = isLatent ? Math.max(1, number('scale_by') ?? 1) ** 2 : 1;
  const length = joined * scaled * (REPEATS.test(className) ? (number('amount') ?? 1) : 1);
  return {
    seconds: className === 'TrimAudioDuration' ? Math.min(length, number('duration') ?? length) : length,
    rate: Math.max(RESAMPLES.test(className) ? usualRate : 0, ...found.map(({ rate }) => rate)),
    channels: Math.max(found.length > 1 ? 2 : 1, ...found.map(({ channels }) => channels)),
  };
}
