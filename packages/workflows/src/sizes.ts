import { type RequestLimits, SIZE_STEP } from '@comfy-fleet/contracts';

export interface Size {
  readonly width: number;
  readonly height: number;
}

type SizeLimits = Pick<RequestLimits, 'minSize' | 'maxSize'>;

/** The nearest length that a picture may have, in pixels: a multiple of 8 within the limits. */
export function allowedLength(length: number, { minSize, maxSize }: SizeLimits): number {
  const lowest = Math.ceil(minSize / SIZE_STEP) * SIZE_STEP;
  const highest = Math.floor(maxSize / SIZE_STEP) * SIZE_STEP;
  return Math.min(highest, Math.max(lowest, Math.round(length / SIZE_STEP) * SIZE_STEP));
}

/**
 * A size of about `area` pixels in the shape of `picture`. Where a limit cuts one side, the other follows, so that the
 * shape is lost only when the limits leave no room for it.
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
