import { addAbortSignal } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { FleetError } from '@comfy-fleet/contracts';
import { type ByteRange, type FrameStore, frameTypeOf } from '@comfy-fleet/frames';
import type sharp from 'sharp';
import type { Sharp } from 'sharp';
import { withStorageDeadline } from './storage.js';

/** Longer than the largest picture takes on a slow machine. */
const DECODE_SECONDS = 30;
/** The first bytes of a file, which tell the type of a picture. */
const MAGIC: ByteRange = { start: 0, end: 11 };

interface Reading {
  /** Of a picture that may be decoded. */
  readonly limits: { readonly maxBytes: number; readonly maxPixels: number };
  readonly signal: AbortSignal;
}

/**
 * A stored picture, to be decoded: only within the `decoding` limit, which also bounds how many are in memory. In a
 * folder it is read from the file, piece by piece. Undefined when it is not there (any more). Throws invalid_image when it
 * is too large or is none of the formats that are offered, storage_failed, and the signal's reason.
 */
export async function openPicture(
  store: FrameStore,
  name: string,
  { limits, signal }: Reading,
): Promise<Sharp | undefined> {
  const info = await store.stat(name);
  if (info === undefined) return undefined;
  if (info.bytes > limits.maxBytes) {
    const detail = `The picture has ${info.bytes} bytes; at most ${limits.maxBytes} can be converted (MAX_IMAGE_BYTES). Take it as it is.`;
    throw new FleetError('invalid_image', detail);
  }
  const read = (range?: ByteRange) => readStored(store, name, signal, range);
  // Other decoders follow links: an SVG in a folder shows the files beside it.
  const start = await read(MAGIC);
  if (start === undefined) return undefined;
  if (frameTypeOf(start) === undefined) {
    throw new FleetError('invalid_image', 'The picture cannot be had in this size or format; take it as it is.');
  }
  const source = store.path(name) ?? (await read());
  if (source === undefined) return undefined;
  return toDecode(source, limits);
}

/** A picture in memory or in a file; of an animation the first frame. */
export async function toDecode(
  source: Buffer | string,
  { maxPixels }: Pick<Reading['limits'], 'maxPixels'>,
): Promise<Sharp> {
  const sharp = await loadSharp();
  return sharp(source, { limitInputPixels: maxPixels, pages: 1 }).timeout({ seconds: DECODE_SECONDS });
}

/** The whole file, or that part of it. Undefined when it is not there. */
export async function readStored(
  store: Pick<FrameStore, 'open'>,
  name: string,
  signal: AbortSignal,
  range?: ByteRange,
): Promise<Buffer | undefined> {
  const data = withStorageDeadline(signal, async (inTime) => {
    const stream = await store.open(name, range);
    return stream === undefined ? undefined : buffer(addAbortSignal(inTime, stream));
  });
  return data.catch((error: unknown) => {
    throw signal.aborted ? signal.reason : error;
  });
}

/** With the first picture that is decoded: to load its native library takes a process a quarter of its start. */
export async function loadSharp(): Promise<typeof sharp> {
  const { default: loaded } = await import('sharp');
  // Otherwise libvips keeps its last 100 decoders, and that of a progressive JPEG holds the whole unpacked picture.
  loaded.cache(false);
  return loaded;
}
