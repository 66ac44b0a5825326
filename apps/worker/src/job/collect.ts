import type { HistoryEntry } from '@comfy-fleet/comfyui';
import { FleetError, graphOf } from '@comfy-fleet/contracts';
import type { OutputRecord } from '@comfy-fleet/jobs';
import { noteFacts } from '@comfy-fleet/telemetry';
import type { Tools } from '../tools.js';
import { patiently } from '../waiting/patiently.js';
import { unlessCanceled } from '../waiting/unless-canceled.js';
import { whileStorageFails } from '../waiting/while-storage-fails.js';
import { dropLeftFrames } from './drop-frames.js';
import { noteBeginning } from './follow.js';
import type { HeldJob } from './held-job.js';
import { cleanUpOutputs } from './leftovers.js';
import { inStoring } from './spans.js';
import { type StoredOutput, sha256Of, storeFile, storeText } from './store-output.js';
import type { Submission } from './submission.js';
import { wantedOutputs } from './wanted-outputs.js';

/** Of a job's texts together, in UTF-8: what is longer is only in its file, since the whole record is read at once. */
const MOST_TEXT_BYTES = 64 * 1024;

/** Fetches what ComfyUI made, stores it, and ends the job. Stops when its caller cancels meanwhile. */
export async function collectAndFinish(
  job: HeldJob,
  submission: Submission,
  entry: HistoryEntry,
  tools: Tools,
): Promise<void> {
  const { promptId, executedMs, loadedMs } = submission;
  const start = submission.heard.ended ?? performance.now();
  job.mayHaveStored = true;
  const stored = await unlessCanceled(
    job,
    (signal) => collectOutputs(job, { submission, entry, asked: askedNodes(job, submission) }, tools, signal),
    async () => {
      await noteBeginning(job);
      job.note(await job.claim.collect());
    },
  );
  const outputs = named(stored, submission.outputs);
  const became = await job.finish({ status: 'succeeded', outputs, executedMs, loadedMs }, promptId);
  noteFacts({ 'comfy_fleet.job.status': became });
  if (became === 'succeeded' && submission.isWhollyHeard) {
    tools.nodeTimes.learn(graphOf(job.record.request), submission.nodeTimes);
  }
  if (became !== 'superseded') {
    job.slot.became = became;
    if (became === 'succeeded') {
      tools.instruments.jobCollect.observe(job.labels, (performance.now() - start) / 1000);
    } else await dropLeftFrames(job, tools);
    await cleanUpOutputs(job, submission);
  }
  job.log.info('job ended', { status: became, outputs: outputs.length });
}

/** The nodes of the outputs that the caller asked for; undefined: for what saves. Who asks as one asks a ComfyUI gets all. */
function askedNodes({ record }: HeldJob, { outputs }: Submission): ReadonlySet<string> | 'all' | undefined {
  const { outputs: names } = record.request;
  if (names === undefined) return record.hasOrigin ? 'all' : undefined;
  return new Set([...outputs].filter(([, name]) => names.includes(name)).map(([node]) => node));
}

/** By the workflow's names for its nodes; a file of a node that it does not name is called by what it is. */
function named(stored: readonly StoredOutput[], names: ReadonlyMap<string, string>): OutputRecord[] {
  let bytes = 0;
  return stored.map(({ text, ...output }) => {
    bytes += text === undefined ? 0 : Buffer.byteLength(text);
    const name = names.get(output.nodeId) ?? output.kind;
    return { name, ...output, ...(text === undefined || bytes > MOST_TEXT_BYTES ? {} : { text }) };
  });
}

interface Collected {
  readonly submission: Submission;
  readonly entry: HistoryEntry;
  /** See wantedOutputs. */
  readonly asked?: ReadonlySet<string> | 'all' | undefined;
}

/**
 * Streams what a prompt made from the instance into the frames store, files before texts. What it stored before it failed
 * stays, since a later claim may have stored the same: dropLeftFrames takes it away when the ledger says that nobody wants
 * it.
 */
export async function collectOutputs(
  job: HeldJob,
  { submission, entry, asked }: Collected,
  tools: Tools,
  signal: AbortSignal,
): Promise<StoredOutput[]> {
  const { frames, maxOutputBytes: maxBytes, maxOutputs } = tools;
  const { files, texts } = wantedOutputs(entry, { graph: submission.graph, asked });
  if (files.length + texts.length === 0) {
    throw new FleetError(
      'no_output',
      'ComfyUI ran the workflow to its end, but no node of it saved or showed anything.',
    );
  }
  if (files.length + texts.length > maxOutputs) {
    const detail = `The workflow made ${files.length + texts.length} outputs; at most ${maxOutputs} are kept (MAX_OUTPUTS).`;
    throw new FleetError('output_too_large', detail);
  }
  const storing = { submission, frames, maxBytes, signal };
  const stored: StoredOutput[] = [];
  const store = async (step: (n: number) => Promise<StoredOutput>) => {
    const n = stored.length + 1;
    // The rendering is done and stays in ComfyUI: only the storing is repeated.
    const once = () => patiently(job, () => step(n), { signal });
    const untilStored = () => whileStorageFails(job, 'storing', tools, signal, once);
    stored.push(await inStoring(`${job.record.id}_${n}`, untilStored));
  };
  for (const file of files) await store((n) => storeFile(job, file, n, storing));
  for (const text of texts) {
    // A node that saves a text shows it as well.
    const sha256 = sha256Of(submission.names.inText(text.text));
    const isSaved = stored.some((output) => output.nodeId === text.nodeId && output.sha256 === sha256);
    if (!isSaved) await store((n) => storeText(job, text, n, storing));
  }
  return stored;
}
