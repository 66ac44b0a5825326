import { FleetError, type InputFile } from '@comfy-fleet/contracts';
import {
  type FrameStore,
  frameTypeOf,
  isTurned,
  MediaFault,
  type MediaKind,
  measureHeif,
  measureMedia,
  measurePicture,
  measureTiff,
  mediaKindOf,
  type PictureSize,
  TELLING_BYTES,
  withUnclearShape,
  xmpTurns,
} from '@comfy-fleet/frames';
import { type LoadedMedia, MAX_FRAMES } from '@comfy-fleet/workflows';
import sharp from 'sharp';

const TIFF = /^(?:II|MM)/;
const NO_PICTURE = { width: 1, height: 1, frames: Number.POSITIVE_INFINITY };
/** The whole task has a time limit. */
const ENDLESS = new AbortController().signal;
const NO_SOUND = { seconds: Number.POSITIVE_INFINITY, rate: 1, channels: 1 };

/** What kind of file the bytes are, and how large the decoded content is. */
export interface Measured extends LoadedMedia {
  readonly kind?: MediaKind;
  /** Why nodes must not load it. */
  readonly fault?: string;
}

/**
 * Measures a file in the input store; undefined if it is not a picture, video or sound. `maxBytes`: limit for pictures other
 * than PNG and JPEG.
 */
export async function measure(inputs: FrameStore, file: InputFile, maxBytes: number): Promise<Measured | undefined> {
  let kind: MediaKind | undefined;
  try {
    const start = await startOf(inputs, file, 0);
    const read = async (from: number) => (from === 0 ? start : startOf(inputs, file, from));
    kind = await mediaKindOf(read);
    if (kind === undefined) return undefined;
    if (kind === 'image' || kind === 'animation') {
      const size = await sizeOf(inputs, file, { start, maxBytes });
      if (size.frames > MAX_FRAMES) throw new MediaFault(`has more than ${MAX_FRAMES} frames`);
      // Pictures appended to a JPEG are not animation frames.
      const moves = size.frames > 1 && frameTypeOf(start) !== 'jpeg';
      return { kind: moves ? 'animation' : 'image', picture: size };
    }
    const stored = { name: file.name, bytes: file.bytes ?? 0, start, frames: inputs, signal: ENDLESS };
    return { kind, ...(await measureMedia(stored, MAX_FRAMES)) };
  } catch (error) {
    if (error instanceof MediaFault) return { fault: error.message };
    if (kind === undefined || error instanceof FleetError) throw error;
    return { kind, sound: NO_SOUND, ...(kind === 'audio' ? {} : { picture: NO_PICTURE }) };
  }
}

async function sizeOf(
  inputs: FrameStore,
  { name, bytes = 0 }: InputFile,
  { start, maxBytes }: { readonly start: Buffer; readonly maxBytes: number },
): Promise<PictureSize> {
  const type = frameTypeOf(start);
  const isAnySize = type === 'png' || type === 'jpeg';
  if (bytes > maxBytes && !isAnySize) throw new Error('it is too large to be inspected');
  const content = await inputs.open(name);
  if (content === undefined) throw new Error('it no longer exists');
  try {
    if (type !== undefined) return await measurePicture(type, content);
    const all = Buffer.concat(await content.toArray());
    const isHeif = all.toString('latin1', 4, 8) === 'ftyp';
    // An AVIF has tracks only if it is a sequence, whose frames sharp does not count.
    if (isHeif && all.includes('trak')) throw new MediaFault('has a video in it');
    if (TIFF.test(all.toString('latin1', 0, 2))) return measureTiff(all);
    const { width, height, orientation, pages = 1 } = await sharp(all, { limitInputPixels: false }).metadata();
    if (!isHeif) return { width, height, frames: pages };
    const coded = measureHeif(all);
    const isAlike = width === coded.width && height === coded.height;
    const size = {
      width: Math.max(width, coded.width),
      height: Math.max(height, coded.height),
      frames: Math.max(pages, coded.frames),
    };
    return withUnclearShape(size, !isAlike || isTurned(orientation) || xmpTurns(all));
  } finally {
    // The stream may not have been read to its end.
    content.destroy();
  }
}

async function startOf(inputs: FrameStore, { name, bytes = 1 }: InputFile, start: number): Promise<Buffer> {
  const stream = start < bytes ? await inputs.open(name, { start, end: start + TELLING_BYTES - 1 }) : undefined;
  return stream === undefined ? Buffer.alloc(0) : Buffer.concat(await stream.toArray());
}
