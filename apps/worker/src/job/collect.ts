import type { HistoryEntry, OutputFile } from '@comfy-fleet/comfyui';
import { FleetError } from '@comfy-fleet/contracts';
import { FRAME_TYPES, type FrameStore, frameName, frameTypeOf } from '@comfy-fleet/frames';
import type { FrameRecord } from '@comfy-fleet/jobs';
import { noteFacts } from '@comfy-fleet/telemetry';
import { imageSize } from 'image-size';
import type { Tools } from '../tools.js';
import { patiently } from '../waiting/patiently.js';
import { unlessCanceled } from '../waiting/unless-canceled.js';
import { whileStorageFails } from '../waiting/while-storage-fails.js';
import { dropLeftFrames } from './drop-frames.js';
import { noteBeginning } from './follow.js';
import type { HeldJob } from './held-job.js';
import { deleteOutputs } from './leftovers.js';
import { peek } from './peek.js';
import { inStoring } from './spans.js';
import type { Submission } from './submission.js';

/** Enough of a picture to read its type and size from: a JPEG has them behind its metadata, which may be the whole workflow. */
const HEAD_BYTES = 256 * 1024;

/** Fetches what ComfyUI rendered, stores it, and ends the job. Stops when its caller cancels meanwhile. */
export async function collectAndFinish(
  job: HeldJob,
  submission: Submission,
  entry: HistoryEntry,
  tools: Tools,
): Promise<void> {
  const { promptId, executedMs, loadedMs } = submission;
  const start = submission.heard.ended ?? performance.now();
  job.mayHaveStored = true;
  const images = await unlessCanceled(
    job,
    (signal) => collectFrames(job, entry, tools, signal),
    async () => {
      await noteBeginning(job);
      job.note(await job.claim.collect());
    },
  );
  const became = await job.finish({ status: 'succeeded', images, executedMs, loadedMs }, promptId);
  noteFacts({ 'comfy_fleet.job.status': became });
  if (became === 'succeeded' && submission.isWhollyHeard) {
    tools.nodeTimes.learn(job.record.request.workflow, submission.timings?.nodes ?? []);
  }
  if (became !== 'superseded') {
    job.slot.became = became;
    if (became === 'succeeded') {
      tools.instruments.jobCollect.observe(job.labels, (performance.now() - start) / 1000);
    } else await dropLeftFrames(job, tools);
    await cleanUpOutputs(job, entry);
  }
  job.log.info('job ended', { status: became, images: images.length });
}

/** The pictures are stored: that ComfyUI keeps its own is no reason for the job to fail. */
async function cleanUpOutputs(job: HeldJob, { outputs }: HistoryEntry): Promise<void> {
  await deleteOutputs(job.instance.folders, outputs).catch((error: unknown) =>
    job.log.warn('pictures could not be deleted from the output folder of ComfyUI', { error }),
  );
}

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
