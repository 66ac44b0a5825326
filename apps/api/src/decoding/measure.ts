import { FleetError, type InputFile } from '@comfy-fleet/contracts';
import {
  type Container,
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
  refuseHiddenMedia,
  type StoredMedia,
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
  /** For a video or a sound that could be measured. */
  readonly container?: Container;
}

/**
 * Measures a file in the input store; undefined if it is not a picture, video or sound. `maxBytes`: limit for pictures other
 * than PNG and JPEG.
 */
export async function measure(inputs: FrameStore, file: InputFile, maxBytes: number): Promise<Measured | undefined> {
  let kind: MediaKind | undefined;
  try {
    const start = await startOf(inputs, file);
    kind = await mediaKindOf(start);
    if (kind === undefined) return undefined;
    if (kind === 'video' || kind === 'audio') {
      const measured = await measureMedia(mediaIn(inputs, file), MAX_FRAMES).catch((error: unknown) => {
        // ComfyUI gets it as it is, if at all.
        refuseHiddenMedia(start);
        if (start.toString('latin1', 0, 3) === 'ID3')
          throw new MediaFault('has something else than an MP3 behind a tag');
        throw error;
      });
      return { kind, ...measured };
    }
    refuseHiddenMedia(start);
    const size = await sizeOf(inputs, file, { start, maxBytes });
    if (size.frames > MAX_FRAMES) throw new MediaFault(`has more than ${MAX_FRAMES} frames`);
    // Pictures appended to a JPEG are not animation frames.
    const moves = size.frames > 1 && frameTypeOf(start) !== 'jpeg';
    return { kind: moves ? 'animation' : 'image', picture: size };
  } catch (error) {
    if (error instanceof MediaFault) return { fault: error.message };
    if (kind === undefined || error instanceof FleetError) throw error;
    return { kind, sound: NO_SOUND, ...(kind === 'audio' ? {} : { picture: NO_PICTURE }) };
  }
}

/** A video or a sound in the input store. */
export function mediaIn(inputs: FrameStore, { name, bytes = 0 }: InputFile): StoredMedia {
  return { name, bytes, start: Buffer.alloc(0), frames: inputs, signal: ENDLESS };
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

async function startOf(inputs: FrameStore, { name }: InputFile): Promise<Buffer> {
  const stream = await inputs.open(name, { start: 0, end: TELLING_BYTES - 1 });
  return stream === undefined ? Buffer.alloc(0) : Buffer.concat(await stream.toArray());
}
