import sharp from 'sharp';

/** A picture in a single colour. */
export function plain(width: number, height: number, background: string) {
  return sharp({ create: { width, height, channels: 3, background } });
}

/** Hard to compress, so that most of the file is pixels. */
export function noise() {
  return sharp({
    create: {
      width: 200,
      height: 100,
      channels: 3,
      background: 'grey',
      noise: { type: 'gaussian', mean: 128, sigma: 50 },
    },
  });
}

export function half(data: Buffer): Buffer {
  return data.subarray(0, Math.floor(data.length / 2));
}

export function scratched(data: Buffer): Buffer {
  return Buffer.concat([data.subarray(0, 500), Buffer.alloc(200, 0x55), data.subarray(700)]);
}

/** A picture of transparent black. */
export function transparent(): Promise<Buffer> {
  const background = { r: 0, g: 0, b: 0, alpha: 0 };
  return sharp({ create: { width: 80, height: 40, channels: 4, background } })
    .png()
    .toBuffer();
}

export async function animated(...colours: string[]): Promise<Buffer> {
  const frames = await Promise.all(colours.map((colour) => plain(80, 40, colour).png().toBuffer()));
  return sharp(frames, { join: { animated: true } })
    .webp({ lossless: true })
    .toBuffer();
}

type Corners = readonly [topLeft: string, topRight: string, bottomLeft: string, bottomRight: string];

/**
 * For each EXIF orientation, the visible corners of a picture whose pixels are red and green above, blue and white below
 * (CIPA DC-008, 4.6.4 "Orientation": where the first row and column of pixels are displayed).
 */
export const ORIENTATIONS: readonly [orientation: number, corners: Corners][] = [
  [1, ['red', 'green', 'blue', 'white']],
  [2, ['green', 'red', 'white', 'blue']],
  [3, ['white', 'blue', 'green', 'red']],
  [4, ['blue', 'white', 'red', 'green']],
  [5, ['red', 'blue', 'green', 'white']],
  [6, ['blue', 'red', 'white', 'green']],
  [7, ['white', 'green', 'blue', 'red']],
  [8, ['green', 'white', 'red', 'blue']],
];

const COLOURS: Readonly<Record<string, readonly [number, number, number]>> = {
  red: [255, 0, 0],
  green: [0, 255, 0],
  blue: [0, 0, 255],
  white: [255, 255, 255],
};

/** An 80×40 JPEG with four coloured quarters and an EXIF orientation. */
export async function corners(orientation: number): Promise<Buffer> {
  const quarter = (colour: string) => {
    const [r, g, b] = COLOURS[colour] ?? [0, 0, 0];
    return sharp({ create: { width: 40, height: 20, channels: 3, background: { r, g, b } } })
      .png()
      .toBuffer();
  };
  const composed = plain(80, 40, 'black').composite([
    { input: await quarter('red'), left: 0, top: 0 },
    { input: await quarter('green'), left: 40, top: 0 },
    { input: await quarter('blue'), left: 0, top: 20 },
    { input: await quarter('white'), left: 40, top: 20 },
  ]);
  return composed.withMetadata({ orientation }).jpeg({ quality: 95 }).toBuffer();
}

/** The colours in the four corners of a picture, by name. */
export async function readCorners(picture: Buffer): Promise<string[]> {
  const { data, info } = await sharp(picture).removeAlpha().raw().toBuffer({ resolveWithObject: true });
  const at = (x: number, y: number) => [...data.subarray((y * info.width + x) * 3, (y * info.width + x) * 3 + 3)];
  const [right, bottom] = [info.width - 5, info.height - 5];
  return [at(4, 4), at(right, 4), at(4, bottom), at(right, bottom)].map(nearestColour);
}

function nearestColour(pixel: readonly number[]): string {
  const distance = (colour: readonly number[]) =>
    colour.reduce((sum, value, channel) => sum + Math.abs(value - (pixel[channel] ?? 0)), 0);
  const [nearest] = Object.entries(COLOURS).sort(([, a], [, b]) => distance(a) - distance(b));
  return nearest?.[0] ?? '';
}

/** A WebP of this many frames of one pixel. */
export function longAnimation(count: number): Buffer {
  const chunk = (type: string, hex: string) => {
    const content = Buffer.from(hex, 'hex');
    const length = Buffer.alloc(4);
    length.writeUInt32LE(content.length);
    return Buffer.concat([Buffer.from(type), length, content]);
  };
  const pixel = chunk('VP8L', '2f0000000000');
  const frame = chunk('ANMF', `${'00'.repeat(12)}0a000000${pixel.toString('hex')}`);
  const chunks = [chunk('VP8X', `02${'00'.repeat(9)}`), chunk('ANIM', '00'.repeat(6))];
  const content = Buffer.concat([Buffer.from('WEBP'), ...chunks, ...Array<Buffer>(count).fill(frame)]);
  return chunk('RIFF', content.toString('hex'));
}
