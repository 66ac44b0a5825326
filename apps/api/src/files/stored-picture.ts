import { addAbortSignal } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { setImmediate as yieldToEventLoop } from 'node:timers/promises';
import { FleetError } from '@comfy-fleet/contracts';
import { type ByteRange, type FrameStore, frameTypeOf, MediaFault, refuseSlowPicture } from '@comfy-fleet/frames';
import { MAX_FRAMES } from '@comfy-fleet/workflows';
import type { Sharp, default as SharpModule } from 'sharp';
import { invalidImage, pieces } from './picture-bytes.js';
import { withStorageDeadline } from './storage.js';

/** Longer than the largest picture takes on a slow machine. */
const DECODE_SECONDS = 30;

/** Loads sharp when the first picture is decoded: its native library would take a quarter of the process start. */
export async function loadSharp(): Promise<typeof SharpModule> {
  const { default: sharp } = await import('sharp');
  // By default libvips caches 100 decoders, and the decoder of a progressive JPEG holds the whole unpacked picture.
  sharp.cache(false);
  return sharp;
}

/** Opens a picture for decoding; of an animation only the first frame. */
export async function toDecode(data: Buffer, { maxPixels }: { readonly maxPixels: number }): Promise<Sharp> {
  const sharp = await loadSharp();
  return sharp(data, { limitInputPixels: maxPixels, pages: 1 }).timeout({ seconds: DECODE_SECONDS });
}

/** Throws invalid_image for a picture that would hold a decoder for minutes. */
export async function requireFast(data: Buffer, pointer = ''): Promise<void> {
  await refuseSlowPicture(frameTypeOf(data), inPieces(data), MAX_FRAMES).catch((error: unknown) => {
    throw error instanceof MediaFault ? invalidImage(pointer, `The picture ${error.message}.`) : error;
  });
}

async function* inPieces(data: Buffer): AsyncGenerator<Buffer> {
  for (const piece of pieces(data)) {
    await yieldToEventLoop();
    yield piece;
  }
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
  const data = await readStored(store, name, signal);
  if (data === undefined) return undefined;
  // Other decoders follow links: an SVG could show other files of its folder.
  if (frameTypeOf(data) === undefined) {
    throw new FleetError('invalid_image', 'The picture cannot be converted; request it without width and format.');
  }
  await requireFast(data);
  return toDecode(data, limits);
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
