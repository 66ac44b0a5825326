import type { Fleet } from '@comfy-fleet/client';
import type { FileValue } from '../form/values.js';

/** The picture itself, upright and in its own size. Rejects when it is gone, or is none. */
export async function pictureOf(fleet: Fleet, value: FileValue, signal: AbortSignal): Promise<ImageBitmap> {
  const blob = value.from === 'disk' ? value.file : await outputOf(fleet, value, signal);
  return createImageBitmap(blob).catch((cause: unknown) => {
    throw new Error('This picture cannot be shown here: choose another one.', { cause });
  });
}

async function outputOf(fleet: Fleet, { job, index }: FileValue & { from: 'job' }, signal: AbortSignal): Promise<Blob> {
  const { outputs } = await fleet.jobs.get(job, { signal });
  const output = outputs[index];
  if (output === undefined) throw new Error('Its job has been deleted: choose another picture.');
  return output.download({ signal });
}
