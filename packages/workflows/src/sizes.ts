import { type RequestLimits, SIZE_STEP } from '@comfy-fleet/contracts';

export const MEGAPIXEL = 1024 ** 2;

export interface Size {
  readonly width: number;
  readonly height: number;
}

type SizeLimits = Pick<RequestLimits, 'minSize' | 'maxSize'>;

interface SizedRequest {
  readonly startsFromPicture: boolean;
  /** The sides that the caller set. */
  readonly request: { readonly width: number | undefined; readonly height: number | undefined };
  /** The input picture. */
  readonly picture: Size | undefined;
  readonly limits: SizeLimits;
}

/**
 * The size of a job's pictures: the request's, else the workflow's (`base`) scaled, in the shape of the input picture
 * if it starts from one. Undefined if there is no such picture.
 */
export function sizeFor(
  { startsFromPicture, request, picture, limits }: SizedRequest,
  base: Size | undefined,
  scale: number,
): Size | undefined {
  const { width, height } = request;
  if (startsFromPicture) {
    if (picture === undefined) return undefined;
    if (base === undefined) return { width: whole(picture.width), height: whole(picture.height) };
    if (width !== undefined && height !== undefined) return { width, height };
    if (width !== undefined) return { width, height: allowedLength((width * picture.height) / picture.width, limits) };
    if (height !== undefined)
      return { width: allowedLength((height * picture.width) / picture.height, limits), height };
    return sizeOfShape(picture, base.width * base.height * scale ** 2, limits);
  }
  return {
    width: width ?? allowedLength((base?.width ?? 0) * scale, limits),
    height: height ?? allowedLength((base?.height ?? 0) * scale, limits),
  };
}

/** The length after VAEEncode, which cuts off the remainder of a multiple of 8. */
function whole(length: number): number {
  return Math.floor(length / SIZE_STEP) * SIZE_STEP;
}

/** The nearest allowed length in pixels: a multiple of 8 within the limits. */
export function allowedLength(length: number, { minSize, maxSize }: SizeLimits): number {
  const lowest = Math.ceil(minSize / SIZE_STEP) * SIZE_STEP;
  const highest = Math.floor(maxSize / SIZE_STEP) * SIZE_STEP;
  return Math.min(highest, Math.max(lowest, Math.round(length / SIZE_STEP) * SIZE_STEP));
}

/**
 * A size of about `area` pixels in the shape of `picture`. If a limit cuts one side, the other follows, so that the
 * shape changes only if the limits require it.
 */
export function sizeOfShape(picture: Size, area: number, limits: SizeLimits): Size {
  const ratio = picture.width / picture.height;
  let width = Math.sqrt(area * ratio);
  let height = Math.sqrt(area / ratio);
  const shrink = Math.min(1, limits.maxSize / Math.max(width, height));
  width *= shrink;
  height *= shrink;
  const grow = Math.max(1, limits.minSize / Math.min(width, height));
  return { width: allowedLength(width * grow, limits), height: allowedLength(height * grow, limits) };
}
