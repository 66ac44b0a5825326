import { createHash } from 'node:crypto';
import { type OutputFile, type OutputText, PREVIEW, SOCKET_PICTURES } from '@comfy-fleet/comfyui';
import { FleetError } from '@comfy-fleet/contracts';
import { editFile, FRAME_TYPES, type FrameStore, fileFactsOf, frameName } from '@comfy-fleet/frames';
import { type Listed, listedToKeep, type OutputRecord } from '@comfy-fleet/jobs';
import { isFastSaved } from '@comfy-fleet/workflows';
import { imageSize } from 'image-size';
import { FastSaveFailed } from '../submission/fast-save.js';
import type { Submission } from '../submission/submission.js';
import type { HeldJob } from './held-job.js';
import { pngOfWebp } from './png-of-webp.js';
import type { Tools } from './tools.js';

/**
 * Enough of a file to recognise its type and a picture's size. A JPEG has its size behind its metadata, which may
 * include the whole workflow.
 */
const HEAD_BYTES = 256 * 1024;

const PICTURES: ReadonlySet<string> = new Set(Object.values(FRAME_TYPES));

export interface Storing {
  readonly submission: Submission;
  readonly frames: FrameStore;
  readonly mediaFacts: Tools['mediaFacts'];
  /** How many more bytes the job may store. */
  readonly maxBytes: number;
  /** Throws storage_share_exceeded if it may not store a file of this size. */
  readonly requireSpace: (bytes: number) => Promise<void>;
  readonly signal: AbortSignal;
}

/** An output before it has the workflow's name. */
export type StoredOutput = Omit<OutputRecord, 'name'>;

/**
 * Streams a file from the job's instance into the store as its nth output. A picture that was saved fast is stored as a
 * PNG. Throws output_too_large, storage_share_exceeded, no_output for a damaged picture, FastSaveFailed, and errors of
 * the instance and the store.
 */
export async function storeFile(
  job: HeldJob,
  file: OutputFile,
  n: number,
  { submission, frames, mediaFacts, maxBytes, requireSpace, signal }: Storing,
): Promise<StoredOutput> {
  const { names, graph } = submission;
  const isFast = isFastSaved(graph, file.nodeId, file.filename);
  // Identical pictures may have become one in it.
  if (isFast && file.animated) throw new FastSaveFailed('there were several pictures');
  const filename = names.ofFile(isFast ? { ...file, filename: file.filename.replace(/\.webp$/, '.png') } : file);
  return job.instance.ask(async (client) => {
    const { stream, bytes: told = 0 } = await client.view(file, signal);
    try {
      if (told > maxBytes && !isFast) throw tooLarge(filename);
      await requireSpace(told);
      const { start, whole } = await peek(editFile(isFast ? pngOfWebp(stream) : stream, names.edit), HEAD_BYTES);
      const { extension, contentType, kind } = await fileFactsOf(start, filename);
      const size = sizeOf(start, filename, { isPicture: PICTURES.has(contentType), isImage: kind === 'image' });
      const name = frameName(job.record.id, n, extension);
      const { bytes, sha256 } = await frames.put(name, atMost(whole, maxBytes, filename), { signal });
      const text = kind === 'text' && bytes === start.length ? textIn(start) : undefined;
      const isMedia = kind === 'video' || kind === 'audio';
      const facts = isMedia ? await mediaFacts({ name, bytes, start, frames, signal }, job.record.key) : size;
      return {
        ...nodeOf(file),
        kind,
        file: name,
        filename,
        contentType,
        bytes,
        sha256,
        ...facts,
        ...(text === undefined ? {} : { text }),
        ...listedToKeep(listedAs(submission, file)),
      };
    } finally {
      stream.destroy();
    }
  });
}

/** Stores a text that a node showed as the job's nth output. */
export function storeText(job: HeldJob, shown: OutputText, n: number, storing: Storing): Promise<StoredOutput> {
  const text = storing.submission.names.inText(shown.text);
  const as = { filename: 'text.txt', contentType: 'text/plain', listed: { key: 'text', type: 'output' } } as const;
  return storeShown(job, { ...nodeOf(shown), text, ...as }, n, storing);
}

/** Stores other values that a node showed, as JSON, as the job's nth output. */
export function storeValues(job: HeldJob, shown: OutputText, n: number, storing: Storing): Promise<StoredOutput> {
  const listed = { key: '', type: 'output', isValues: true } as const;
  const as = { filename: 'values.json', contentType: 'application/json', listed };
  return storeShown(job, { ...nodeOf(shown), text: shown.text, ...as }, n, storing);
}

async function storeShown(
  job: HeldJob,
  { text, ...about }: Pick<StoredOutput, 'nodeId' | 'filename' | 'contentType' | 'listed'> & { readonly text: string },
  n: number,
  { frames, maxBytes, signal }: Storing,
): Promise<StoredOutput> {
  const file = frameName(job.record.id, n, about.filename.slice(about.filename.indexOf('.') + 1));
  const content = Buffer.from(text); // invalid Unicode becomes U+FFFD
  if (content.length > maxBytes) throw tooLarge(about.filename);
  const { bytes, sha256 } = await frames.put(file, content.length === 0 ? [] : [content], { signal });
  return { ...about, kind: 'text', file, bytes, sha256, text: text.toWellFormed() };
}

function nodeOf({ nodeId, expandedFrom }: Pick<OutputFile, 'nodeId' | 'expandedFrom'>) {
  return expandedFrom === undefined ? { nodeId } : { nodeId, expandedFrom };
}

function listedAs({ graph }: Submission, { nodeId, key, type, animated, format, frameRate }: OutputFile): Listed {
  const className = graph[nodeId]?.class_type;
  const isSaved = type === 'output' && className !== PREVIEW && className !== SOCKET_PICTURES;
  return {
    key,
    type: isSaved ? 'output' : 'temp',
    ...(animated === undefined ? {} : { animated }),
    ...(format === undefined ? {} : { format }),
    ...(frameRate === undefined ? {} : { frameRate }),
    ...(className === SOCKET_PICTURES ? { isSent: true } : {}),
  };
}

/** The digest of a text as in `OutputRecord.sha256`. */
export function sha256Of(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}

/** A PNG, JPEG, WebP or GIF without a size is damaged. The size of other pictures is optional. */
function sizeOf(
  start: Buffer,
  filename: string,
  { isPicture, isImage }: { readonly isPicture: boolean; readonly isImage: boolean },
): { width: number; height: number } | undefined {
  if (!isPicture && !isImage) return undefined;
  try {
    const { width, height } = imageSize(start);
    return Number.isInteger(width) && Number.isInteger(height) ? { width, height } : undefined;
  } catch (cause) {
    if (!isPicture) return undefined;
    const detail = `What the workflow saved as ${filename} is not a complete picture.`;
    throw new FleetError('no_output', detail, { cause });
  }
}

async function* atMost(
  source: AsyncIterable<Uint8Array>,
  maxBytes: number,
  filename: string,
): AsyncGenerator<Uint8Array> {
  let bytes = 0;
  for await (const chunk of source) {
    bytes += chunk.byteLength;
    if (bytes > maxBytes) throw tooLarge(filename);
    yield chunk;
  }
}

function textIn(content: Buffer): string | undefined {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(content);
  } catch {
    return undefined; // another encoding, or not text despite its name
  }
}

function tooLarge(filename: string): FleetError {
  const detail = `The outputs of the workflow up to ${filename} have more than MAX_OUTPUT_BYTES bytes together.`;
  return new FleetError('output_too_large', detail);
}

/** The first bytes of a stream (`most` or a little more, or all of a shorter one), and the whole stream. */
export async function peek(
  source: AsyncIterable<Uint8Array>,
  most: number,
): Promise<{ readonly start: Buffer; readonly whole: AsyncGenerator<Uint8Array> }> {
  const chunks = source[Symbol.asyncIterator]();
  const read: Uint8Array[] = [];
  for (let bytes = 0; bytes < most; ) {
    const { done, value } = await chunks.next();
    if (done === true) break;
    read.push(value);
    bytes += value.length;
  }
  async function* whole(): AsyncGenerator<Uint8Array> {
    yield* read;
    for (;;) {
      const { done, value } = await chunks.next();
      if (done === true) return;
      yield value;
    }
  }
  return { start: Buffer.concat(read), whole: whole() };
}
