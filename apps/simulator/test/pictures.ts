import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import sharp from 'sharp';
import type { Simulator } from '../src/simulator.js';

export function plainPicture(background: string, size = 64): Promise<Buffer> {
  return sharp({ create: { width: size, height: size, channels: 4, background } })
    .png()
    .toBuffer();
}

/** Puts a plain picture into a folder of the simulator; what LoadImage or /view is to find. */
export async function putPicture(simulator: Simulator, path: string, background = '#c81e1e'): Promise<void> {
  writeFileSync(join(simulator.dir, path), await plainPicture(background));
}

/** The same, broken off in the middle. */
export async function putTruncatedPicture(simulator: Simulator, path: string): Promise<void> {
  const noise = { type: 'gaussian' as const, mean: 128, sigma: 60 };
  const bytes = await sharp({ create: { width: 64, height: 64, channels: 3, background: '#fff', noise } })
    .png()
    .toBuffer();
  writeFileSync(join(simulator.dir, path), bytes.subarray(0, bytes.length / 2));
}
