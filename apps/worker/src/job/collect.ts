import type { HistoryEntry, OutputFile } from '@comfy-fleet/comfyui';
import { FleetError } from '@comfy-fleet/contracts';
import { FRAME_TYPES, type FrameStore, type FrameType, frameName, frameTypeOf } from '@comfy-fleet/frames';
import type { FrameRecord } from '@comfy-fleet/jobs';
import { imageSize } from 'image-size';
import { peek } from '../peek.js';
import type { Tools } from '../tools.js';
import { patiently } from '../waiting/patiently.js';
import { whileStorageFails } from '../waiting/while-storage-fails.js';
import type { HeldJob } from './held-job.js';
import { inStoring } from './spans.js';

/** Enough of a picture to read its type and size from: a JPEG has them behind its metadata, which may be the whole workflow. */
const HEAD_BYTES = 256 * 1024;

/**
 * Streams a prompt's pictures from the instance into the frames volume. What it stored before it failed stays, since a
 * later claim may have stored the same: dropLeftFrames takes it away when the ledger says that nobody wants it.
 */
export async function collectFrames(
  job: HeldJob,
  entry: HistoryEntry,
  tools: Tools,
  signal: AbortSignal,
): Promise<FrameRecord[]> {
  const { frames } = tools;
  if (entry.outputs.length === 0) {
    throw new FleetError('no_output', 'ComfyUI ran the workflow to its end, but no node of it saved a picture.');
  }
  const stored: FrameRecord[] = [];
  for (const [index, file] of entry.outputs.entries()) {
    const collect = () => collectFrame(job, file, index + 1, { frames, signal });
    // The rendering is done and stays in ComfyUI: only the storing is repeated.
    const once = () => patiently(job, collect, { signal });
    const store = () => whileStorageFails(job, 'storing', tools, signal, once);
    stored.push(await inStoring(`${job.record.id}_${index + 1}`, store));
  }
  return stored;
}

/**
 * Deletes what this claim or an earlier one may have stored: the ledger says that the job has no pictures (of theirs).
 */
export async function dropLeftFrames(
  job: HeldJob,
  { frames, workflows }: Pick<Tools, 'frames' | 'workflows'>,
): Promise<void> {
  if (!job.mayHaveStored) return;
  const { id, request } = job.record;
  const outputs = workflows.templates.get(request.workflow)?.bindings.prefixes.length ?? 1;
  try {
    for (let n = 1; n <= request.count * outputs; n++) {
      for (const type of Object.keys(FRAME_TYPES) as FrameType[]) await frames.delete(frameName(id, n, type));
    }
  } catch (error) {
    job.log.warn('pictures that nobody wants could not be deleted', { error });
  }
}

async function collectFrame(
  job: HeldJob,
  file: OutputFile,
  n: number,
  { frames, signal }: { frames: FrameStore; signal: AbortSignal },
): Promise<FrameRecord> {
  return job.instance.ask(async (client) => {
    const { stream } = await client.view(file, signal);
    try {
      const { start, whole } = await peek(stream, HEAD_BYTES);
      const type = frameTypeOf(start);
      if (type === undefined) throw noPicture(file);
      const size = sizeOf(start, file);
      const name = frameName(job.record.id, n, type);
      const { bytes, sha256 } = await frames.put(name, whole, { signal });
      return { name, ...size, contentType: FRAME_TYPES[type], bytes, sha256 };
    } finally {
      stream.destroy();
    }
  });
}

function sizeOf(start: Buffer, file: OutputFile): { width: number; height: number } {
  try {
    const { width, height } = imageSize(start);
    return { width, height };
  } catch (cause) {
    throw noPicture(file, cause);
  }
}

/** Told by its bytes: its name, and the type that ComfyUI makes of that, say what somebody wrote. */
function noPicture({ filename }: OutputFile, cause?: unknown): FleetError {
  const detail = `What the workflow saved as ${filename} is no PNG, JPEG, WebP or GIF; nothing else can be kept.`;
  return new FleetError('no_output', detail, { cause });
}
