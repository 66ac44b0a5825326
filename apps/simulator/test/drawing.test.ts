import sharp from 'sharp';
import { describe, expect, it } from 'vitest';
import { drawLatent, drawPreview } from '../src/drawing/draw.js';
import type { Images, Latent, LatentContent, Painting } from '../src/nodes/values.js';

const painting: Painting = {
  seed: '7',
  steps: 30,
  denoise: 1,
  cfg: 7,
  positive: '',
  negative: '',
  style: 'model|euler|normal',
};

function painted(
  change: Partial<Painting>,
  under: LatentContent = { kind: 'empty' },
  width = 256,
  height = 160,
): Latent {
  const content: LatentContent = { kind: 'painted', under, painting: { ...painting, ...change } };
  return { kind: 'latent', width, height, batch: 1, content };
}

/** The mean difference of two pictures, of 256. */
function distance(a: Buffer, b: Buffer): number {
  let sum = 0;
  for (let at = 0; at < a.length; at++) sum += Math.abs((a[at] ?? 0) - (b[at] ?? 0));
  return sum / a.length;
}

/** The mean difference of neighbours in the upper half, which has no caption. Noise raises it. */
function roughness(picture: Buffer, width: number): number {
  let sum = 0;
  const end = picture.length / 2;
  for (let at = 3; at < end; at++)
    if (at % (width * 3) >= 3) sum += Math.abs((picture[at] ?? 0) - (picture[at - 3] ?? 0));
  return sum / end;
}

describe('a picture', () => {
  it('is the same for the same latent, and differs for another seed or prompt', async () => {
    const [first, again] = [await drawLatent(painted({}), 0), await drawLatent(painted({}), 0)];
    expect(again.equals(first)).toBe(true);
    expect(distance(await drawLatent(painted({ seed: '8' }), 0), first)).toBeGreaterThan(10);
    expect(distance(await drawLatent(painted({ positive: 'a fox' }), 0), first)).toBeGreaterThan(1);
  });

  it('differs for seeds beyond 2^53 that differ in their last digit', async () => {
    const [a, b] = ['18446744073709551614', '18446744073709551615'];
    expect(
      distance(await drawLatent(painted({ seed: a }), 0), await drawLatent(painted({ seed: b }), 0)),
    ).toBeGreaterThan(10);
  });

  it('has less noise with more steps', async () => {
    const rough = [];
    for (const steps of [2, 8, 18, 40]) rough.push(roughness(await drawLatent(painted({ steps }), 0), 256));
    expect(rough).toEqual([...rough].sort((a, b) => b - a));
    expect((rough[0] ?? 0) / (rough[3] ?? 1)).toBeGreaterThan(2);
  });

  it('shows the prompt in its caption, with more letters for a longer one and none without', async () => {
    const bright = (pixels: Buffer) => pixels.subarray(pixels.length / 2).filter((value) => value > 235).length;
    const facts = bright(await drawLatent(painted({}, undefined, 512, 320), 0));
    const short = bright(await drawLatent(painted({ positive: 'fox' }, undefined, 512, 320), 0));
    const long = bright(
      await drawLatent(
        painted({ positive: 'a red fox in the deep snow of the north, at dawn' }, undefined, 512, 320),
        0,
      ),
    );
    expect(short).not.toBe(facts);
    expect(long).toBeGreaterThan(short + 500);
  });

  it.each([
    ['markup and control characters', '<b>bold</b> & \u0000\u0007 "quoted" &amp; <unclosed'],
    ['many scripts', 'Fuchs läuft · красная лиса · αλεπού · 赤い狐 · 여우 · 🦊 · שועל'],
    ['thousands of letters', 'a sweeping vista of an ancient library '.repeat(100)],
    ['one endless word', 'x'.repeat(4000)],
    ['a lone surrogate', 'broken \ud800 text'],
  ])('is drawn for a prompt of %s, in any size', async (_what, positive) => {
    for (const [width, height] of [
      [16, 16],
      [64, 64],
      [1024, 64],
      [64, 1024],
    ] as const) {
      expect(await drawLatent(painted({ positive }, undefined, width, height), 0)).toHaveLength(width * height * 3);
    }
  });

  it('keeps most of the input picture at denoise 0.2 and little of it at 0.9', async () => {
    const input = await drawLatent(painted({ seed: '1' }), 0);
    const images: Images = { kind: 'images', width: 256, height: 160, frames: [input] };
    const over = async (denoise: number) =>
      distance(await drawLatent(painted({ seed: '2', denoise }, { kind: 'pixels', images }), 0), input);
    const [low, middle, high] = [await over(0.2), await over(0.5), await over(0.9)];
    expect(low).toBeLessThan(middle);
    expect(middle).toBeLessThan(high);
    expect(low * 2.5).toBeLessThan(high);
  });

  it('has the same composition at another size', async () => {
    const small: Images = {
      kind: 'images',
      width: 128,
      height: 80,
      frames: [await drawLatent(painted({ steps: 60 }, undefined, 128, 80), 0)],
    };
    const enlarged: Latent = {
      kind: 'latent',
      width: 256,
      height: 160,
      batch: 1,
      content: { kind: 'pixels', images: small },
    };
    const top = (pixels: Buffer) => pixels.subarray(0, pixels.length / 2);
    const same = distance(top(await drawLatent(enlarged, 0)), top(await drawLatent(painted({ steps: 60 }), 0)));
    const other = distance(
      top(await drawLatent(enlarged, 0)),
      top(await drawLatent(painted({ steps: 60, seed: '8' }), 0)),
    );
    expect(same * 3).toBeLessThan(other);
  });
});

describe('a picture of few pixels', () => {
  const small = (change: Partial<Painting>, under?: LatentContent) => drawLatent(painted(change, under, 64, 64), 0);

  it('is the same for the same latent, differs for another seed or prompt, and has less noise with more steps', async () => {
    const first = await small({});
    expect((await small({})).equals(first)).toBe(true);
    expect(distance(await small({ seed: '8' }), first)).toBeGreaterThan(10);
    expect(distance(await small({ positive: 'a fox' }), first)).toBeGreaterThan(1);
    expect(roughness(await small({ steps: 2 }), 64)).toBeGreaterThan(2 * roughness(first, 64));
  });

  it('keeps more of the input picture at a lower denoise', async () => {
    const input = await small({ seed: '1' });
    const images: Images = { kind: 'images', width: 64, height: 64, frames: [input] };
    const over = async (denoise: number) =>
      distance(await small({ seed: '2', denoise }, { kind: 'pixels', images }), input);
    expect((await over(0.2)) * 2.5).toBeLessThan(await over(0.9));
  });
});

describe('a preview', () => {
  it('of a small picture is as large as other previews', async () => {
    const { width, height } = await sharp(await drawPreview(painted({}, undefined, 72, 40), 0.5)).metadata();
    expect({ width, height }).toEqual({ width: 512, height: 284 });
  });

  it('is a JPEG smaller than 48 KiB', async () => {
    for (const part of [0.1, 0.5, 1]) {
      const jpeg = await drawPreview(painted({ steps: 8 }, undefined, 1024, 640), part);
      expect(jpeg.subarray(0, 2).toString('hex')).toBe('ffd8');
      expect(jpeg.length).toBeLessThan(48 * 1024);
    }
  });
});
