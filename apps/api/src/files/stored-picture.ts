import { addAbortSignal } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { FleetError } from '@comfy-fleet/contracts';
import { type ByteRange, type FrameStore, frameTypeOf } from '@comfy-fleet/frames';
import type { Sharp, default as SharpModule } from 'sharp';
import { withStorageDeadline } from './storage.js';

/** Longer than the largest picture takes on a slow machine. */
const DECODE_SECONDS = 30;
/** The first bytes of a file, which are enough to recognise the type of a picture. */
const MAGIC: ByteRange = { start: 0, end: 11 };

/** Loads sharp when the first picture is decoded: its native library would take a quarter of the process start. */
export async function loadSharp(): Promise<typeof SharpModule> {
  const { default: sharp } = await import('sharp');
  // By default libvips caches 100 decoders, and the decoder of a progressive JPEG holds the whole unpacked picture.
  sharp.cache(false);
  return sharp;
}

/** Opens a picture in memory or in a file for decoding; of an animation only the first frame. */
export async function toDecode(source: Buffer | string, { maxPixels }: { readonly maxPixels: number }): Promise<Sharp> {
  const sharp = await loadSharp();
  return sharp(source, { limitInputPixels: maxPixels, pages: 1 }).timeout({ seconds: DECODE_SECONDS });
}

/**
 * Opens a stored picture. Call it within the `decoding` limit, which also bounds how many pictures are in memory. Undefined when
 * it does not exist. Throws invalid_image when it is too large or has an unsupported format, storage_failed, and the signal's
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
    const detail = `The picture has ${info.bytes} bytes; at most ${limits.maxBytes} can be converted (MAX_IMAGE_BYTES). Request it without width and format.`;
    throw new FleetError('invalid_image', detail);
  }
  const read = (range?: ByteRange) => readStored(store, name, signal, range);
  const start = await read(MAGIC);
  // Other decoders follow links: an SVG could show other files of its folder.
  if (start !== undefined && frameTypeOf(start) === undefined) {
    throw new FleetError('invalid_image', 'The picture cannot be converted; request it without width and format.');
  }
  const source = start === undefined ? undefined : (store.path(name) ?? (await read()));
  return source === undefined ? undefined : toDecode(source, limits);
}

/** Reads the whole file or a range of it. Undefined when it does not exist. */
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
