import { StringDecoder } from 'node:string_decoder';
import { FleetError, isTerminal } from '@comfy-fleet/contracts';
import { type JobRecord, type Picture, picturesOf } from '@comfy-fleet/jobs';
import type { PictureForm } from '../../decoding/pictures.js';
import type { Source } from '../../decoding/tasks.js';
import type { Deps } from '../../deps.js';
import { pieces } from '../../files/picture-bytes.js';
import { waitForJob } from '../../orders/order-job.js';
import { openUntil } from '../../server/key-limits.js';
import { type OpenAiError, openAiError, statusOf } from './dialect.js';
import type { Task } from './images-request.js';

/** The length of one wait. Waits repeat until the job ends, which its own time limits guarantee. */
const WAIT_SECONDS = 3600;
/** OpenAI's default for `output_compression`. */
const BEST_QUALITY = 100;

/** A picture with the job that made it. */
export interface MadePicture {
  readonly record: JobRecord;
  readonly picture: Picture;
}

/** The pictures of a job, or the error that explains why there are none. */
type JobEnd = readonly MadePicture[] | { readonly status: number; readonly error: OpenAiError };

/** Waits until the job ends or this process stops. Rejects with the signal's reason if the client leaves. */
export async function endOfJob({ deps, request }: Task, id: string): Promise<JobEnd> {
  for (;;) {
    const snapshot = await waitForJob(deps, id, WAIT_SECONDS, request.signal);
    if (snapshot === undefined)
      return jobFault(500, 'deleted', `The job ${id} was deleted while this request waited for it.`);
    if (isTerminal(snapshot.record.status)) return picturesMade(snapshot.record);
    if (deps.stopping.aborted) return restarting(id);
  }
}

/** The pictures of a job that has ended. */
export function picturesMade(record: JobRecord): JobEnd {
  const { id, status, error, outputs, request } = record;
  if (status === 'canceled') return jobFault(409, 'canceled', `The job ${id} was canceled.`);
  if (status === 'expired') return jobFault(503, 'expired', `The job ${id} expired because it did not begin in time.`);
  if (error !== null) return { status: statusOf(error.code), error: openAiError({ ...error, errors: [] }) };
  const { count } = request.inputs;
  const pictures = picturesOf(outputs).slice(0, typeof count === 'number' ? count : 1);
  if (pictures.length > 0) return pictures.map((picture) => ({ record, picture }));
  return jobFault(500, 'no_image', `The job ${id} made no picture; GET /jobs/${id} lists its outputs.`);
}

/** The error for a request whose job continues after this process has stopped. */
export function restarting(id: string) {
  const detail = `The service is restarting; the job ${id} continues, and GET /jobs/${id} will show its result.`;
  return jobFault(503, 'restarting', detail);
}

function jobFault(status: number, code: string, message: string) {
  return { status, error: { message, type: 'server_error', param: null, code } };
}

/** Counts the response as a download, which it becomes when the pictures are made. Throws too_many_streams, overloaded. */
export function countPictures({ deps, request }: Task): void {
  openUntil(request.signal, deps.downloads, request.caller.id);
}

export type EncodedPicture = Awaited<ReturnType<typeof encodePicture>>;

/** The picture in the requested format, or as it is stored. Throws image_not_found, invalid_image, storage_failed. */
export async function encodePicture(task: Task, { record, picture }: MadePicture) {
  const { deps, request, wanted } = task;
  const { file, contentType, bytes } = picture;
  const stored = contentType.slice('image/'.length);
  const format = wanted.output_format ?? stored;
  const isLossy = format === 'webp' || format === 'jpeg';
  if (format === stored && (wanted.output_compression === undefined || !isLossy)) {
    if ((await deps.frames.stat(file)) === undefined) throw gone();
    // The file is read in pieces, so it is never in memory as a whole.
    return { format, base64: () => storedBase64(deps, file) };
  }
  const { images: limits } = deps.config;
  if (bytes > limits.maxBytes) throw inconvertible(`it has more than ${limits.maxBytes} bytes`);
  const { signal } = request;
  const converting = () => convert(task, { store: 'frames', name: file }, format);
  const made = await deps.decoding(record.key, converting, { signal });
  // It stays in memory until the client has read it.
  request.holds(made.length);
  return { format, base64: () => base64(pieces(made)) };
}

/** Converts a picture to another format. Throws invalid_image. */
export function convert({ deps: { config, decoder }, wanted }: Task, picture: Source, format: string): Promise<Buffer> {
  const quality = Math.max(1, wanted.output_compression ?? BEST_QUALITY);
  const form = { format: format as PictureForm['format'], quality };
  return decoder.convert(picture, form, config.images.maxPixels).catch((cause: unknown) => {
    throw cause instanceof FleetError ? cause : inconvertible('it cannot be decoded', cause);
  });
}

async function* storedBase64({ frames }: Deps, file: string): AsyncGenerator<string> {
  const stream = await frames.open(file);
  if (stream === undefined) throw gone();
  yield* base64(stream);
}

/** Encodes a stream. Three bytes make four digits, so the decoder carries bytes over to the next piece. */
async function* base64(data: AsyncIterable<Buffer> | Iterable<Buffer>): AsyncGenerator<string> {
  const decoder = new StringDecoder('base64');
  for await (const piece of data) yield decoder.write(piece);
  yield decoder.end();
}

function gone(): FleetError {
  return new FleetError('image_not_found', 'The picture was deleted.');
}

function inconvertible(why: string, cause?: unknown): FleetError {
  const detail = `The picture cannot be converted to this format: ${why}. Omit output_format to get it as it is stored.`;
  return new FleetError('invalid_image', detail, { errors: [{ pointer: '/output_format', detail }], cause });
}
