import { frameName } from '@comfy-fleet/frames';
import type { OutputRecord } from '@comfy-fleet/jobs';
import sharp from 'sharp';
import type { TestApi } from './api.js';

/** The record that a worker writes for a job's nth picture. */
export function finishedImage(jobId: string, n = 1): OutputRecord {
  const sha256 = `${n}`.repeat(64).slice(0, 64);
  const file = frameName(jobId, n);
  const filename = `fox_0000${n}_.png`;
  const about = { kind: 'image', contentType: 'image/png', bytes: 1234, sha256, width: 768, height: 480 } as const;
  return { name: 'image', nodeId: '7', file, filename, ...about };
}

/** Finishes the job as a worker does, with pictures that exist in the store. */
export async function finishJob(api: TestApi, id: string, count = 1): Promise<void> {
  const colours = ['#804020', '#208040', '#402080', '#808080'];
  const outputs = Array.from({ length: count }, (_, index) => finishedImage(id, index + 1));
  for (const [index, { file }] of outputs.entries()) {
    const background = colours[index % colours.length] ?? '#000000';
    const png = await sharp({ create: { width: 96, height: 64, channels: 3, background } })
      .png()
      .toBuffer();
    await api.frames.put(file, [png], { signal: AbortSignal.timeout(60_000) });
  }
  for (;;) {
    const claim = await api.claim();
    if (claim.record.id === id) {
      await claim.finish({ status: 'succeeded', outputs });
      return;
    }
    await claim.release(60_000);
  }
}
