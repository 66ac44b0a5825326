import { join } from 'node:path';
import type { FramesSettings } from '@comfy-fleet/config';
import { fresh, orAborted } from '@comfy-fleet/contracts';
import { createFileFrames } from './file-frames.js';
import type { FrameStore, FrameStores } from './frame-store.js';

/**
 * Opens the three stores that the settings tell of; nothing is asked or written yet. `owner` names the process, which
 * is to be another for each that runs at the same time.
 */
export async function openFrameStores(
  settings: FramesSettings,
  { owner }: { readonly owner: string },
): Promise<FrameStores> {
  if (settings.store === 's3') {
    // Only now: the SDK takes longer to load than the rest of a service.
    const { openS3Stores } = await import('./s3/s3-frames.js');
    return openS3Stores(settings);
  }
  const frames = createFileFrames({ dir: settings.dir, owner });
  return {
    frames,
    inputs: createFileFrames({ dir: join(settings.dir, 'inputs'), owner }),
    derived: createFileFrames({ dir: join(settings.dir, 'derived'), owner }),
    fault: faultOf(frames),
  };
}

/** Asks once at a time: each question to a volume that hangs keeps one of the four threads that this process has for files. */
function faultOf({ freeBytes }: Pick<FrameStore, 'freeBytes'>): FrameStores['fault'] {
  const asked = fresh(0, () => freeBytes().then(() => undefined, whatFileStorageLacks));
  return (signal) =>
    orAborted(asked.now(), signal).catch(
      () => 'The folder of the pictures does not answer in time; check the volume of FRAMES_DIR',
    );
}

function whatFileStorageLacks(error: unknown): string {
  const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error;
  return `The folder of the pictures cannot be used; check FRAMES_DIR (${String(cause)})`;
}
