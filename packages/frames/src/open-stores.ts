import { join } from 'node:path';
import type { FramesSettings } from '@comfy-fleet/config';
import { fresh, orAborted } from '@comfy-fleet/contracts';
import { createFileFrames } from './file-frames.js';
import type { FrameStore, FrameStores } from './frame-store.js';

/**
 * Opens the three stores as configured, without any access to them yet. `owner` names the process; processes that run at the
 * same time must have different names.
 */
export async function openFrameStores(
  settings: FramesSettings,
  { owner }: { readonly owner: string },
): Promise<FrameStores> {
  if (settings.store === 's3') {
    // Imported only if needed: the SDK takes longer to load than the rest of a service.
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

/** Runs one check at a time: each check of a hanging volume blocks one of Node's four threads for files. */
function faultOf({ freeBytes }: Pick<FrameStore, 'freeBytes'>): FrameStores['fault'] {
  const check = fresh(0, () => freeBytes().then(() => undefined, explainFileFault));
  return (signal) =>
    orAborted(check.now(), signal).catch(
      () => 'The folder of the pictures does not respond in time; check the volume of FRAMES_DIR',
    );
}

function explainFileFault(error: unknown): string {
  const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error;
  return `The folder of the pictures cannot be used; check FRAMES_DIR (${String(cause)})`;
}
