import { StringDecoder } from 'node:string_decoder';
import { FleetError, isTerminal } from '@comfy-fleet/contracts';
import { type JobRecord, type Picture, picturesOf } from '@comfy-fleet/jobs';
import type { FormatEnum, Sharp } from 'sharp';
import type { Deps } from '../../deps.js';
import { pieces } from '../../files/picture-bytes.js';
import { openPicture } from '../../files/stored-picture.js';
import { waitForJob } from '../../orders/order-job.js';
import { type OpenAiError, openAiError, statusOf } from './dialect.js';
import type { Task } from './images-request.js';

/** How long one wait lasts. Jobs are waited for again and again; no job waits and runs for longer than it may. */
const WAIT_SECONDS = 3600;
/** The quality if a request names none, as OpenAI has it. */
const BEST_QUALITY = 100;

/** A picture with the job that made it. */
export interface MadePicture {
  readonly record: JobRecord;
  readonly picture: Picture;
}

/** The pictures of a job, or why there are none. */
type JobEnd = readonly MadePicture[] | { readonly status: number; readonly error: OpenAiError };

/** Waits for the end of a job, or of this process. Rejects with the signal's reason. */
export async function endOfJob({ deps, request }: Task, id: string): Promise<JobEnd> {
  for (;;) {
    const snapshot = await waitForJob(deps, id, WAIT_SECONDS, request.signal);
    if (snapshot === undefined) return jobFault(500, 'deleted', `The job ${id} was deleted meanwhile.`);
    if (isTerminal(snapshot.record.status)) return picturesMade(snapshot.record);
    if (deps.stopping.aborted) return restarting(id);
  }
}

/** The pictures of a job that has ended. */
export function picturesMade(record: JobRecord): JobEnd {
  const { id, status, error, outputs, request } = record;
  if (status === 'canceled') return jobFault(409, 'canceled', `The job ${id} was canceled.`);
  if (status === 'expired') return jobFault(503, 'expired', `The job ${id} did not begin in time.`);
  if (error !== null) return { status: statusOf(error.code), error: openAiError({ ...error, errors: [] }) };
  const { count } = request.inputs;
  const pictures = picturesOf(outputs).slice(0, typeof count === 'number' ? count : 1);
  if (pictures.length > 0) return pictures.map((picture) => ({ record, picture }));
  return jobFault(500, 'no_image', `The job ${id} made no picture; GET /jobs/${id} has what it made.`);
}

/** This process ends, and the job goes on. */
export function restarting(id: string) {
  const detail = `The service is restarted; the job ${id} goes on, and GET /jobs/${id} has its end.`;
  return jobFault(503, 'restarting', detail);
}

function jobFault(status: number, code: string, message: string) {
  return { status, error: { message, type: 'server_error', param: null, code } };
}

export type EncodedPicture = Awaited<ReturnType<typeof encodePicture>>;

/** The picture in the wanted format, else as it is stored. Throws image_not_found, invalid_image, storage_failed. */
export async function encodePicture(task: Task, { record, picture }: MadePicture) {
  const { deps, request, wanted } = task;
  const { file, contentType, bytes } = picture;
  const stored = contentType.slice('image/'.length);
  const format = wanted.output_format ?? stored;
  const isLossy = format === 'webp' || format === 'jpeg';
  if (format === stored && (wanted.output_compression === undefined || !isLossy)) {
    if ((await deps.frames.stat(file)) === undefined) throw gone();
    // In pieces: it is never in memory as a whole.
    return { format, base64: () => storedBase64(deps, file) };
  }
  const { images: limits } = deps.config;
  if (bytes > limits.maxBytes) throw inconvertible(`it has more than ${limits.maxBytes} bytes`);
  const made = await deps.decoding(record.key, async () => {
    request.signal.throwIfAborted();
    const opened = await openPicture(deps.frames, file, { limits, signal: request.signal });
    if (opened === undefined) throw gone();
    return convert(task, opened, format);
  });
  // A slow reader keeps it in memory.
  request.holds(made.length);
  return { format, base64: () => base64(pieces(made)) };
}

/** A picture in another format. Throws invalid_image. */
export async function convert({ wanted }: Task, picture: Sharp, format: string): Promise<Buffer> {
  // JPEG has no transparency, and what lies beneath it is mostly black.
  if (format === 'jpeg') picture.flatten({ background: '#ffffff' });
  const quality = Math.max(1, wanted.output_compression ?? BEST_QUALITY);
  try {
    return await picture.toFormat(format as keyof FormatEnum, format === 'png' ? {} : { quality }).toBuffer();
  } catch (cause) {
    throw inconvertible('it cannot be decoded', cause);
  }
}

async function* storedBase64({ frames }: Deps, file: string): AsyncGenerator<string> {
  const stream = await frames.open(file);
  if (stream === undefined) throw gone();
  yield* base64(stream);
}

/** The decoder joins bytes across pieces: three make four digits. */
async function* base64(data: AsyncIterable<Buffer> | Iterable<Buffer>): AsyncGenerator<string> {
  const decoder = new StringDecoder('base64');
  for await (const piece of data) yield decoder.write(piece);
  yield decoder.end();
}

function gone(): FleetError {
  return new FleetError('image_not_found', 'The picture is no longer there.');
}

function inconvertible(why: string, cause?: unknown): FleetError {
  const detail = `The picture cannot be had in this format: ${why}. Send no output_format to have it as it is.`;
  return new FleetError('invalid_image', detail, { errors: [{ pointer: '/output_format', detail }], cause });
}
