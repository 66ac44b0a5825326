import type { Readable } from 'node:stream';
import { FleetError } from '@comfy-fleet/contracts';
import type { JobRecord, Picture } from '@comfy-fleet/jobs';
import type { Sharp } from 'sharp';
import type { Deps } from '../../deps.js';
import { openPicture } from '../../files/stored-picture.js';
import type { ApiRequest } from '../../server/messages.js';
import type { ImagesRequest } from './images-request.js';

/** What OpenAI takes where a request says nothing. */
const BEST = 100;

/** A picture on its way to its caller. */
export interface EncodedPicture {
  readonly format: string;
  /** Its base64, piece by piece: no picture is in memory as a whole that is sent as it is stored. */
  base64(): AsyncIterable<string>;
}

type EncodeDeps = Pick<Deps, 'config' | 'decoding' | 'frames'>;
export type Wanted = Pick<ImagesRequest, 'output_format' | 'output_compression'>;

/**
 * The picture in the format that is wanted, else as it is stored. Throws image_not_found, invalid_image when it cannot be
 * converted, storage_failed, and as `holds`.
 */
export async function encodePicture(
  deps: EncodeDeps,
  { record, picture }: { readonly record: Pick<JobRecord, 'key'>; readonly picture: Picture },
  wanted: Wanted,
  { signal, holds }: Pick<ApiRequest, 'signal' | 'holds'>,
): Promise<EncodedPicture> {
  const { file, contentType, bytes } = picture;
  const stored = contentType.slice('image/'.length);
  const format = wanted.output_format ?? stored;
  const isLossy = format === 'webp' || format === 'jpeg';
  if (format === stored && (wanted.output_compression === undefined || !isLossy)) {
    if ((await deps.frames.stat(file)) === undefined) throw gone();
    return { format, base64: () => base64(read(deps, file)) };
  }
  const { images: limits } = deps.config;
  if (bytes > limits.maxBytes) throw inconvertible(`it has more than ${limits.maxBytes} bytes`);
  const made = await deps.decoding(record.key, async () => {
    signal.throwIfAborted();
    const opened = await openPicture(deps.frames, file, { limits, signal });
    if (opened === undefined) throw gone();
    return convert(opened, { ...wanted, output_format: format as Format });
  });
  // A client that reads slowly keeps it in memory.
  holds(made.length);
  return { format, base64: () => base64([made]) };
}

type Format = NonNullable<ImagesRequest['output_format']>;

/** A picture in another format. Throws invalid_image. */
export async function convert(
  picture: Sharp,
  { output_format: format = 'png', output_compression = BEST }: Wanted,
): Promise<Buffer> {
  // JPEG has no transparency, and what lies beneath it is mostly black
  if (format === 'jpeg') picture.flatten({ background: '#ffffff' });
  const quality = Math.max(1, output_compression);
  try {
    return await picture.toFormat(format, format === 'png' ? {} : { quality }).toBuffer();
  } catch (cause) {
    throw inconvertible('it cannot be decoded', cause);
  }
}

async function* read(deps: EncodeDeps, file: string): AsyncGenerator<Buffer> {
  yield* await open(deps, file);
}

async function open({ frames }: EncodeDeps, file: string): Promise<Readable> {
  const stream = await frames.open(file);
  if (stream === undefined) throw gone();
  return stream;
}

/** Each piece is whole base64: three bytes make four digits. */
async function* base64(source: AsyncIterable<Buffer> | Iterable<Buffer>): AsyncGenerator<string> {
  let rest: Buffer = Buffer.alloc(0);
  for await (const chunk of source) {
    const all = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
    const whole = all.length - (all.length % 3);
    for (let at = 0; at < whole; at += PIECE) yield all.toString('base64', at, Math.min(at + PIECE, whole));
    rest = all.subarray(whole);
  }
  if (rest.length > 0) yield rest.toString('base64');
}

/** Bytes that are encoded at a time: a multiple of three. */
const PIECE = 3 * 64 * 1024;

function gone(): FleetError {
  return new FleetError('image_not_found', 'The picture is no longer there.');
}

function inconvertible(why: string, cause?: unknown): FleetError {
  const detail = `The picture cannot be had in this format: ${why}. Send no output_format to have it as it is.`;
  return new FleetError('invalid_image', detail, { errors: [{ pointer: '/output_format', detail }], cause });
}
