import {
  type HistoryEntry,
  type OutputFile,
  OutputMissing,
  type OutputText,
  type OutputValues,
  PREVIEW,
  SOCKET_PICTURES,
} from '@comfy-fleet/comfyui';
import { FleetError, graphOf } from '@comfy-fleet/contracts';
import type { OutputRecord } from '@comfy-fleet/jobs';
import { setSpanAttributes } from '@comfy-fleet/telemetry';
import type { Graph } from '@comfy-fleet/workflows';
import type { Submission } from '../submission/submission.js';
import { cleanUpOutputs, dropLeftFrames, isOfEarlierPrompt } from './clean-up.js';
import { recordBeginning } from './follow.js';
import type { HeldJob } from './held-job.js';
import { inStoring } from './spans.js';
import { retryUntilReachable, retryWhileStorageFails, unlessCanceled } from './step-wrappers.js';
import { type StoredOutput, type Storing, sha256Of, storeFile, storeText, storeValues } from './store-output.js';
import type { Tools } from './tools.js';

/**
 * Total size of the texts in a job's record, in UTF-8. Longer texts are only in their files, because a record is always
 * read whole.
 */
const MOST_TEXT_BYTES = 64 * 1024;
/** Total size of the other values that a job's nodes showed, as JSON. Values beyond that are dropped. */
const MOST_VALUES_BYTES = 64 * 1024;

const NO_SPACE =
  'The storage is full, and with the outputs of this job the files of this API key would exceed its share. Delete jobs or assets that are no longer needed, or try again later: files older than an hour are deleted, oldest first.';

/** Fetches the outputs from ComfyUI, stores them, and ends the job. Stops when the caller cancels. */
export async function collectAndFinish(
  job: HeldJob,
  submission: Submission,
  entry: HistoryEntry,
  tools: Tools,
): Promise<void> {
  const { promptId, executedMs, loadedMs } = submission;
  const start = submission.observed.ended ?? performance.now();
  const outputs = await outputsOf(job, submission, entry, tools);
  const became = await job.finish({ status: 'succeeded', outputs, executedMs, loadedMs }, promptId);
  setSpanAttributes({ 'comfy_fleet.job.status': became });
  if (became === 'succeeded' && submission.isFullyObserved) {
    tools.nodeTimes.learn(graphOf(job.record.request), submission.nodeTimes);
  }
  if (became === 'succeeded') {
    tools.fastSave.learn(job.record.request, submission.graph, outputs).catch((error: unknown) => {
      job.log.debug('could not find out whether pictures can be saved fast', { error });
    });
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
 * Collects the outputs of nodes that finished before the prompt failed. The job fails for another reason, so a failure
 * to store them is only logged.
 */
export async function collectOfFailed(job: HeldJob, tools: Tools): Promise<readonly OutputRecord[]> {
  const { submission } = job;
  if (submission?.entry === undefined || submission.entry.outcome === 'success') return [];
  job.slot.leaveGpu();
  tools.changed();
  try {
    return await outputsOf(job, submission, submission.entry, tools);
  } catch (error) {
    job.log.warn('could not store the outputs of a failed job', { error });
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
    tools,
    (signal) => collectOutputs(job, { submission, entry, asked: askedNodes(job, submission) }, tools, signal),
    async () => {
      await recordBeginning(job);
      job.obey(await job.claim.collect());
    },
  );
  return named(stored, submission.outputs);
}

/**
 * The nodes whose outputs the caller asked for; undefined: those that save. Callers of ComfyUI's own API get
 * everything.
 */
function askedNodes({ record }: HeldJob, { outputs }: Submission): ReadonlySet<string> | 'all' | undefined {
  const { outputs: names } = record.request;
  if (record.hasOrigin) return 'all';
  if (names === undefined) return undefined;
  return new Set([...outputs].filter(([, name]) => names.includes(name)).map(([node]) => node));
}

/** Names outputs as the workflow names their nodes, and others by their kind. */
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
 * Streams the outputs of a prompt from the instance into the store: files, then texts, then values. If it fails, stored
 * outputs stay, because another claim may have stored the same ones; dropLeftFrames deletes them once the ledger shows
 * that they are not needed.
 */
export async function collectOutputs(
  job: HeldJob,
  { submission, entry, asked }: Collected,
  tools: Tools,
  signal: AbortSignal,
): Promise<StoredOutput[]> {
  const { frames, mediaFacts, maxOutputBytes, maxOutputs, store, fitsShare } = tools;
  const { files, texts, values } = wantedOutputs(entry, { graph: submission.graph, asked });
  if (files.length + texts.length > maxOutputs) {
    const detail = `The workflow made ${files.length + texts.length} outputs; at most ${maxOutputs} are kept.`;
    throw new FleetError('output_too_large', detail);
  }
  const stored: StoredOutput[] = [];
  let maxBytes = maxOutputBytes;
  const requireSpace = async (bytes: number) => {
    const sum = maxOutputBytes - maxBytes + bytes;
    if ((await store.hasSpace(bytes, sum)) || (await fitsShare(job.record.key, sum))) return;
    throw new FleetError('storage_share_exceeded', NO_SPACE);
  };
  const keep = async (step: (n: number, storing: Storing) => Promise<StoredOutput>) => {
    const n = stored.length + 1;
    job.mayHaveStored = true;
    // The rendering stays in ComfyUI, so only storing is repeated.
    const once = () =>
      retryUntilReachable(job, () => step(n, { submission, frames, mediaFacts, maxBytes, requireSpace, signal }), {
        signal,
      });
    const holdsSpace = stored.length > 0;
    const untilStored = () => retryWhileStorageFails(job, 'storing', tools, signal, once, { holdsSpace });
    const output = await inStoring(`${job.record.id}_${n}`, untilStored);
    stored.push(output);
    maxBytes -= output.bytes;
    // Another job may have stored its outputs meanwhile.
    await requireSpace(0);
  };
  for (const file of files) {
    await keep((n, storing) => storeFile(job, file, n, storing)).catch((error: unknown) => {
      if (!(error instanceof OutputMissing) || !isOfEarlierPrompt(job, file)) throw error;
    });
  }
  for (const text of texts) {
    // A node that saves a text also shows it.
    const sha256 = sha256Of(submission.names.inText(text.text));
    const isSaved = stored.some((output) => output.nodeId === text.nodeId && output.sha256 === sha256);
    if (!isSaved) await keep((n, storing) => storeText(job, text, n, storing));
  }
  const shown = asMuchAsFits(values, submission, maxOutputs - stored.length);
  if (shown.length < values.length) {
    job.log.warn('the nodes of the job showed more values than are kept', { kept: shown.length, of: values.length });
  }
  for (const one of shown) await keep((n, storing) => storeValues(job, one, n, storing));
  return stored;
}

/**
 * The values that fit, as JSON. Values that do not fit are dropped without failing the job, as ComfyUI does not fail
 * for them either.
 */
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

export interface WantedOutputs {
  readonly files: readonly OutputFile[];
  readonly texts: readonly OutputText[];
  readonly values: readonly OutputValues[];
}

interface Selection {
  /** The graph that ran. */
  readonly graph: Graph;
  /** The nodes whose outputs the caller asked for; `all`: every node, previews included; undefined: nodes that save. */
  readonly asked: ReadonlySet<string> | 'all' | undefined;
}

/**
 * Selects the outputs to keep. For nodes that were asked for, that includes what they only showed. Otherwise previews
 * are kept only when there is nothing else. Pictures that a node would have sent over the socket are not previews.
 * ComfyUI saves the previews of PreviewImage as outputs, see ComfyClient.submit.
 */
export function wantedOutputs(
  { outputs, temporary, texts, values }: Pick<HistoryEntry, 'outputs' | 'temporary' | 'texts' | 'values'>,
  { graph, asked }: Selection,
): WantedOutputs {
  const isOf = ({ nodeId }: OutputFile, className: string) => graph[nodeId]?.class_type === className;
  const previews = [...outputs.filter((file) => isOf(file, PREVIEW)), ...temporary];
  const all = [...outputs.filter((file) => !isOf(file, PREVIEW)), ...previews];
  if (asked === 'all') return { files: all, texts, values };
  if (asked !== undefined) {
    const isAsked = ({ nodeId, expandedFrom }: OutputText | OutputFile | OutputValues) =>
      asked.has(expandedFrom?.real ?? nodeId);
    return { files: all.filter(isAsked), texts: texts.filter(isAsked), values: values.filter(isAsked) };
  }
  const saved = all.filter((file) => !previews.includes(file) || isOf(file, SOCKET_PICTURES));
  return { files: saved.length + texts.length > 0 ? saved : previews, texts, values };
}
