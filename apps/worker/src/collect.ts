import type { HistoryEntry, OutputFile } from '@comfy-fleet/comfyui';
import { FleetError } from '@comfy-fleet/contracts';
import { type FrameStore, frameName } from '@comfy-fleet/frames';
import type { FrameRecord } from '@comfy-fleet/jobs';
import { imageSize } from 'image-size';
import type { HeldJob } from './held-job.js';
import { patiently } from './patiently.js';
import { inStoring } from './spans.js';
import type { Tools } from './tools.js';
import { whileStorageFails } from './while-storage-fails.js';

/** Enough of a picture to read its size from. */
const HEAD_BYTES = 64 * 1024;

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
    const name = frameName(job.record.id, index + 1);
    const collect = () => collectFrame(job, file, name, { frames, signal });
    // The rendering is done and stays in ComfyUI: only the storing is repeated.
    const once = () => patiently(job, collect, { signal });
    const store = () => whileStorageFails(job, 'storing', tools, signal, once);
    stored.push(await inStoring(name, store));
  }
  return stored;
}

/**
 * Deletes what this claim or an earlier one may have stored: the ledger says that the job has no pictures (of theirs).
 */
export async function dropLeftFrames(job: HeldJob, { frames, workflows }: Tools): Promise<void> {
  const { id, claim, request } = job.record;
  if (claim === 1 && !job.isCollecting) return;
  const outputs = workflows.templates.get(request.workflow)?.bindings.prefixes.length ?? 1;
  try {
    for (let n = 1; n <= request.count * outputs; n++) await frames.delete(frameName(id, n));
  } catch (error) {
    job.log.warn('pictures that nobody wants could not be deleted', { error });
  }
}

async function collectFrame(
  job: HeldJob,
  file: OutputFile,
  name: string,
  { frames, signal }: { frames: FrameStore; signal: AbortSignal },
): Promise<FrameRecord> {
  const head: Uint8Array[] = [];
  const stored = await job.instance.ask(async (client) => {
    const picture = await client.view(file, signal);
    const { bytes, sha256 } = await frames.put(name, keepHead(picture.stream, head), { signal });
    return { contentType: picture.contentType ?? 'image/png', bytes, sha256 };
  });
  return { name, ...sizeOf(Buffer.concat(head), file), ...stored };
}

async function* keepHead(source: AsyncIterable<Uint8Array>, head: Uint8Array[]): AsyncGenerator<Uint8Array> {
  let kept = 0;
  for await (const chunk of source) {
    if (kept < HEAD_BYTES) {
      head.push(chunk);
      kept += chunk.length;
    }
    yield chunk;
  }
}

function sizeOf(head: Buffer, file: OutputFile): { width: number; height: number } {
  try {
    const { width, height } = imageSize(head);
    return { width, height };
  } catch (cause) {
    throw new FleetError('no_output', `What the workflow saved as ${file.filename} is not a picture.`, { cause });
  }
}
