import type { HistoryEntry, OutputText, OutputValues } from '@comfy-fleet/comfyui';
import { FleetError, graphOf } from '@comfy-fleet/contracts';
import type { OutputRecord } from '@comfy-fleet/jobs';
import { noteFacts } from '@comfy-fleet/telemetry';
import type { Submission } from '../submission/submission.js';
import { cleanUpOutputs, dropLeftFrames } from './clean-up.js';
import { noteBeginning } from './follow.js';
import type { HeldJob } from './held-job.js';
import { patiently } from './patiently.js';
import { inStoring } from './spans.js';
import { type StoredOutput, sha256Of, storeFile, storeText, storeValues } from './store-output.js';
import type { Tools } from './tools.js';
import { unlessCanceled } from './unless-canceled.js';
import { wantedOutputs } from './wanted-outputs.js';
import { whileStorageFails } from './while-storage-fails.js';

/** Of a job's texts together, in UTF-8: what is longer is only in its file, since the whole record is read at once. */
const MOST_TEXT_BYTES = 64 * 1024;
/** Of what a job's nodes showed besides files and texts together, as JSON. What exceeds that is dropped. */
const MOST_VALUES_BYTES = 64 * 1024;

/** Fetches what ComfyUI made, stores it, and ends the job. Stops when its caller cancels meanwhile. */
export async function collectAndFinish(
  job: HeldJob,
  submission: Submission,
  entry: HistoryEntry,
  tools: Tools,
): Promise<void> {
  const { promptId, executedMs, loadedMs } = submission;
  const start = submission.heard.ended ?? performance.now();
  const outputs = await outputsOf(job, submission, entry, tools);
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

/**
 * The outputs of the nodes that had finished when the prompt of a job failed. The job fails for another reason, so it is
 * only logged if they cannot be stored.
 */
export async function collectOfFailed(job: HeldJob, tools: Tools): Promise<readonly OutputRecord[]> {
  const { submission } = job;
  if (submission?.entry === undefined || submission.entry.outcome === 'success') return [];
  job.slot.leaveGpu();
  tools.changed();
  try {
    return await outputsOf(job, submission, submission.entry, tools);
  } catch (error) {
    job.log.warn('what the nodes of a failed job had made could not be stored', { error });
    return [];
  }
}

async function outputsOf(
  job: HeldJob,
  submission: Submission,
  entry: HistoryEntry,
  tools: Tools,
): Promise<OutputRecord[]> {
  const stored = await unlessCanceled(
    job,
    (signal) => collectOutputs(job, { submission, entry, asked: askedNodes(job, submission) }, tools, signal),
    async () => {
      await noteBeginning(job);
      job.note(await job.claim.collect());
    },
  );
  return named(stored, submission.outputs);
}

/** The nodes of the outputs that the caller asked for; undefined: for what saves. Who asks as one asks a ComfyUI gets all. */
function askedNodes({ record }: HeldJob, { outputs }: Submission): ReadonlySet<string> | 'all' | undefined {
  const { outputs: names } = record.request;
  if (record.hasOrigin) return 'all';
  if (names === undefined) return undefined;
  return new Set([...outputs].filter(([, name]) => names.includes(name)).map(([node]) => node));
}

/** By the workflow's names for its nodes; a file of a node that it does not name is called by what it is. */
function named(stored: readonly StoredOutput[], names: ReadonlyMap<string, string>): OutputRecord[] {
  let bytes = 0;
  return stored.map(({ text, ...output }) => {
    const isBounded = output.listed?.isValues === true;
    bytes += text === undefined || isBounded ? 0 : Buffer.byteLength(text);
    const name = names.get(output.expandedFrom?.real ?? output.nodeId) ?? output.kind;
    const isKept = text !== undefined && (isBounded || bytes <= MOST_TEXT_BYTES);
    return { name, ...output, ...(isKept ? { text } : {}) };
  });
}

interface Collected {
  readonly submission: Submission;
  readonly entry: HistoryEntry;
  /** See wantedOutputs. */
  readonly asked?: ReadonlySet<string> | 'all' | undefined;
}

/**
 * Streams what a prompt made from the instance into the frames store, files before texts, and those before values. What
 * it stored before it failed stays, since a later claim may have stored the same: dropLeftFrames takes it away when the
 * ledger says that nobody wants it.
 */
export async function collectOutputs(
  job: HeldJob,
  { submission, entry, asked }: Collected,
  tools: Tools,
  signal: AbortSignal,
): Promise<StoredOutput[]> {
  const { frames, maxOutputBytes: maxBytes, maxOutputs } = tools;
  const { files, texts, values } = wantedOutputs(entry, { graph: submission.graph, asked });
  if (files.length + texts.length > maxOutputs) {
    const detail = `The workflow made ${files.length + texts.length} outputs; at most ${maxOutputs} are kept.`;
    throw new FleetError('output_too_large', detail);
  }
  const storing = { submission, frames, maxBytes, signal };
  const stored: StoredOutput[] = [];
  const store = async (step: (n: number) => Promise<StoredOutput>) => {
    const n = stored.length + 1;
    job.mayHaveStored = true;
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
  const shown = asMuchAsFits(values, submission, maxOutputs - stored.length);
  if (shown.length < values.length) {
    job.log.warn('the nodes of the job showed more values than are kept', { kept: shown.length, of: values.length });
  }
  for (const one of shown) await store((n) => storeValues(job, one, n, storing));
  return stored;
}

/** As JSON. ComfyUI does not fail for what nodes show, so neither does the job. */
function asMuchAsFits(values: readonly OutputValues[], { names }: Submission, most: number): readonly OutputText[] {
  let bytes = 0;
  const withNames = (_key: string, value: unknown) => (typeof value === 'string' ? names.inText(value) : value);
  return values
    .map(({ values: shown, ...node }) => ({ ...node, text: JSON.stringify(shown, withNames) }))
    .filter(({ text }) => {
      const size = Buffer.byteLength(text);
      if (bytes + size > MOST_VALUES_BYTES) return false;
      bytes += size;
      return true;
    })
    .slice(0, most);
}
