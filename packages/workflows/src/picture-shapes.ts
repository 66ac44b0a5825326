import type { Slot } from './graph.js';

/**
 * An upper bound for the pictures that leave a node, as latents or as images. The size of a latent is that of its
 * picture.
 */
export interface Pictures {
  readonly width: Side;
  readonly height: Side;
  /** Pictures in a batch of latents. */
  readonly count: Side;
  /** Frames of a video and images of a batch, for each of these pictures. */
  readonly frames: number;
  /**
   * Set if the shape is unknown, for example after a crop by unknown numbers: the most pixels of the longer side. The
   * shorter side may then be a single pixel, and `width` × `height` only bounds the area.
   */
  readonly longest?: number | undefined;
  /** They are in a file that no node has decoded. */
  readonly isEncoded?: boolean;
  /** What decided the size of these latents: the VAE that made them of pictures, or the classes of nodes. */
  readonly sizedBy?: readonly string[] | undefined;
  /** A VAE made them of latents. Which size it makes depends on models that we do not know. */
  readonly isDecoded?: boolean | undefined;
}

export interface Side {
  /** NaN: unknown. */
  readonly value: number;
  /** The least value, if a linked number determines it that is not known exactly. */
  readonly least?: number | undefined;
  /** The place of the number that determines it. */
  readonly at?: Slot | undefined;
  /** That number is a factor. */
  readonly isScaled?: boolean;
}

export type Shape = Pick<Pictures, 'width' | 'height' | 'longest'>;

export const UNKNOWN: Side = { value: Number.NaN };
export const ONE: Side = { value: 1 };
export const UNKNOWN_PICTURES: Pictures = { width: UNKNOWN, height: UNKNOWN, count: ONE, frames: 1 };
/** Assumed side, for work, of a picture of unknown size. */
const USUAL_SIDE = 2048;
/** Pixels that count for each picture, however small it is. */
const SMALLEST_WORK = 128 ** 2;

/** Unknown sizes count as nothing. */
export function pixelsOf({ width, height, count, frames }: Pictures): number {
  return width.value * height.value * count.value * frames || 0;
}

/**
 * The pixels that a node processes when it makes these pictures. Small and unknown ones count too, because they also
 * take time.
 */
export function workOn({ width, height, count, frames, isEncoded = false }: Pictures): number {
  if (isEncoded) return 0;
  const pixels = known(width.value, USUAL_SIDE) * known(height.value, USUAL_SIDE);
  return Math.max(pixels, SMALLEST_WORK) * known(count.value, 1) * frames;
}

export function imagesOf({ count, frames }: Pictures): number {
  return known(count.value, 1) * frames;
}

export function longestOf({ width, height, longest }: Pictures): number {
  return longest ?? Math.max(width.value, height.value);
}

/** Bounds for each side separately. */
export function sidesOf(pictures: Pictures): Pick<Pictures, 'width' | 'height'> {
  const { width, height, longest } = pictures;
  if (longest === undefined) return pictures;
  return { width: { ...width, value: longest }, height: { ...height, value: longest } };
}

/** ComfyUI rounds to whole units: the pixels of a picture, or the 8 to 32 pixels that a number of a latent stands for. */
export function scaledBy(before: Pictures, by: Side, unit = 1): Pictures {
  // Without the errors of floating point.
  const scaled = (value: number) => Math.max(0, Math.ceil((value * by.value - 1e-6) / unit) * unit);
  const side = ({ value, at }: Side) => ({ value: scaled(value), at: by.at ?? at, isScaled: true });
  const { width, height, longest } = before;
  const sides = { width: side(width), height: side(height) };
  return { ...before, ...sides, ...(longest === undefined ? {} : { longest: scaled(longest) }) };
}

/** With more pixels at two of its sides, and as many at the others. */
export function widenedBy(before: Pictures, across: number, down: number): Pictures {
  const { width, height } = sidesOf(before);
  const sides = {
    width: { ...width, value: width.value + across },
    height: { ...height, value: height.value + down },
  };
  return { ...before, ...sides, ...(before.longest === undefined ? {} : { longest: before.longest + across + down }) };
}

/**
 * Scales a picture so that one side, or the square root of its area, has the wanted number of pixels. A picture of
 * unknown shape may have a shorter side of one pixel; one of unknown size becomes a square.
 */
export function scaledTo(before: Pictures, wanted: Side, what: 'longest' | 'shortest' | 'area'): Pictures {
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

export function largest(one: Pictures | undefined, other: Pictures): Pictures {
  if (one === undefined) return other;
  const larger = (a: Side, b: Side) => (b.value > a.value || Number.isNaN(a.value) ? b : a);
  const isUnknown = [one, other].some(({ width, height }) => Number.isNaN(width.value + height.value));
  const isAlike = one.width.value === other.width.value && one.height.value === other.height.value;
  const isKnown = one.longest === undefined && other.longest === undefined && (isUnknown || isAlike);
  return {
    sizedBy: [...new Set([...(one.sizedBy ?? []), ...(other.sizedBy ?? [])])],
    isDecoded: one.isDecoded || other.isDecoded,
    ...(isKnown ? {} : { longest: Math.max(known(longestOf(one), 1), known(longestOf(other), 1)) }),
    width: larger(one.width, other.width),
    height: larger(one.height, other.height),
    count: larger(one.count, other.count),
    frames: Math.max(one.frames, other.frames),
  };
}

export function known(value: number | undefined, otherwise: number): number {
  return value === undefined || Number.isNaN(value) ? otherwise : value;
}
