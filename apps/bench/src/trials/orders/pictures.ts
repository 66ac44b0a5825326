import sharp from 'sharp';
import { createRandom } from '../../lib/random.js';
import { PICTURES } from './plan-orders.js';

/** Pictures for img2img, as base64 of PNG: bands of colours that the seed draws. */
export async function makePictures(seed: number): Promise<string[]> {
  const random = createRandom(seed, 3);
  const pictures: string[] = [];
  for (let n = 0; n < PICTURES; n += 1) {
    const [width, height] = [8 * random.int(8, 16), 8 * random.int(8, 16)];
    const pixels = Buffer.alloc(width * height * 3);
    for (let band = 0; band < height; band += 8) {
      const colour = Buffer.from([random.int(0, 255), random.int(0, 255), random.int(0, 255)]);
      pixels.fill(colour, band * width * 3, Math.min(height, band + 8) * width * 3);
    }
    const png = await sharp(pixels, { raw: { width, height, channels: 3 } })
      .png()
      .toBuffer();
    pictures.push(png.toString('base64'));
  }
  return pictures;
}
