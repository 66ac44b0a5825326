import { encode } from 'fast-png';

/** A picture, and how much of each pixel the mask covers: 0 to 255. */
export interface Masked {
  readonly width: number;
  readonly height: number;
  /** Red, green, blue and alpha of each pixel. */
  readonly picture: Uint8ClampedArray;
  /** Laid out like `picture`; its alpha channel is the mask. */
  readonly mask: Uint8ClampedArray;
}

/**
 * The pixels that the workflow expects. `white`: white and transparent where the mask covers, black elsewhere, so that
 * ComfyUI reads the same mask from every channel. `alpha`: the picture, transparent where the mask covers.
 */
export function maskedPixels({ picture, mask }: Masked, as: 'white' | 'alpha'): Uint8Array<ArrayBuffer> {
  const pixels = new Uint8Array(mask.length);
  for (let at = 0; at < mask.length; at += 4) {
    const covered = mask[at + 3] ?? 0;
    for (let channel = 0; channel < 3; channel++) {
      pixels[at + channel] = as === 'white' ? covered : (picture[at + channel] ?? 0);
    }
    pixels[at + 3] = 255 - covered;
  }
  return pixels;
}

/** Encodes the result as a PNG file. A canvas would lose the colour of transparent pixels; this encoder keeps it. */
export function maskedFile(masked: Masked, as: 'white' | 'alpha', name: string): File {
  const { width, height } = masked;
  const png = encode({ width, height, data: maskedPixels(masked, as), channels: 4 });
  return new File([new Uint8Array(png)], name, { type: 'image/png' });
}
