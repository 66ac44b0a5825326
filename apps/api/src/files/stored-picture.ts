import { addAbortSignal } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { FleetError } from '@comfy-fleet/contracts';
import { type ByteRange, type FrameStore, frameTypeOf } from '@comfy-fleet/frames';
import type { Sharp, default as SharpModule } from 'sharp';
import { withStorageDeadline } from './storage.js';

/** Longer than the largest picture takes on a slow machine. */
const DECODE_SECONDS = 30;
/** The first bytes of a file, which tell the type of a picture. */
const MAGIC: ByteRange = { start: 0, end: 11 };

/** Loads sharp with the first picture, since its native library takes a process a quarter of its start. */
export async function loadSharp(): Promise<typeof SharpModule> {
  const { default: sharp } = await import('sharp');
  // Otherwise libvips keeps its last 100 decoders, and that of a progressive JPEG holds the whole unpacked picture.
  sharp.cache(false);
  return sharp;
}

/** A picture in memory or in a file; of an animation the first frame. */
export async function toDecode(source: Buffer | string, { maxPixels }: { readonly maxPixels: number }): Promise<Sharp> {
  const sharp = await loadSharp();
  return sharp(source, { limitInputPixels: maxPixels, pages: 1 }).timeout({ seconds: DECODE_SECONDS });
}

/**
 * A stored picture, to be decoded within the `decoding` limit, which also bounds how many are in memory. Undefined when it is
 * not there. Throws invalid_image when it is too large or of a format that is not offered, storage_failed, and the signal's
 * reason.
 */
export async function openPicture(
  store: FrameStore,
  name: string,
  {
    limits,
    signal,
  }: { readonly limits: { readonly maxBytes: number; readonly maxPixels: number }; readonly signal: AbortSignal },
): Promise<Sharp | undefined> {
  const info = await store.stat(name);
  if (info === undefined) return undefined;
  if (info.bytes > limits.maxBytes) {
    const detail = `The picture has ${info.bytes} bytes; at most ${limits.maxBytes} can be converted (MAX_IMAGE_BYTES). Take it as it is.`;
    throw new FleetError('invalid_image', detail);
  }
  const read = (range?: ByteRange) => readStored(store, name, signal, range);
  const start = await read(MAGIC);
  // Other decoders follow links: an SVG in a folder shows the files beside it.
  if (start !== undefined && frameTypeOf(start) === undefined) {
    throw new FleetError('invalid_image', 'The picture cannot be had in this size or format; take it as it is.');
  }
  const source = start === undefined ? undefined : (store.path(name) ?? (await read()));
  return source === undefined ? undefined : toDecode(source, limits);
}

/** The whole file, or a part of it. Undefined when it is not there. */
export async function readStored(
  store: Pick<FrameStore, 'open'>,
  name: string,
  signal: AbortSignal,
  range?: ByteRange,
): Promise<Buffer | undefined> {
  const data = withStorageDeadline(signal, async (inTime) => {
    const stream = await store.open(name, range);
    return stream && buffer(addAbortSignal(inTime, stream));
  });
  return data.catch((error: unknown) => {
    throw signal.aborted ? signal.reason : error;
  });
}
