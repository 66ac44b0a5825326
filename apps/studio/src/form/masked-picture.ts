import { encode } from 'fast-png';

/** A picture, and how much of each pixel the mask covers: 0 to 255. */
export interface Masked {
  readonly width: number;
  readonly height: number;
  /** Red, green, blue and alpha of each pixel. */
  readonly picture: Uint8ClampedArray;
  /** As `picture`; its alpha is the mask. */
  readonly mask: Uint8ClampedArray;
}

/**
 * The pixels of what a workflow takes. `white`: white and transparent where the mask covers, black elsewhere, so that
 * ComfyUI reads the same mask from each of its channels. `alpha`: the picture, transparent there.
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

/** As a file. A canvas would write no colour where a picture is transparent: this keeps it. */
export function maskedFile(masked: Masked, as: 'white' | 'alpha', name: string): File {
  const { width, height } = masked;
  const png = encode({ width, height, data: maskedPixels(masked, as), channels: 4 });
  return new File([new Uint8Array(png)], name, { type: 'image/png' });
}
