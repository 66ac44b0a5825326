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
import { LRUCache } from 'lru-cache';
import type { Turns } from '../server/turns.js';
import { withStorageDeadline } from './storage.js';
import { loadSharp } from './stored-picture.js';

/** How many measurements are cached, with a few hundred bytes each. */
const MOST_KEPT = 10_000;
const TIFF = /^(?:II|MM)/;
const NO_PICTURE = { width: 1, height: 1, frames: Number.POSITIVE_INFINITY };
const NO_SOUND = { seconds: Number.POSITIVE_INFINITY, rate: 1, channels: 1 };

/** What kind of file the bytes are, and how large the decoded content is. */
export interface Measured extends LoadedMedia {
  readonly kind?: MediaKind;
  /** Why nodes must not load it. */
  readonly fault?: string;
}

/** Measures a file in the input store when it is the key's turn; undefined if it is not a picture, video or sound. */
export type MeasureFile = (key: string, file: InputFile) => Promise<Measured | undefined>;

interface MeasureOptions {
  readonly inputs: FrameStore;
  readonly decoding: Turns;
  /** Limit for pictures other than PNG and JPEG. */
  readonly maxBytes: number;
  /** Aborts when the process is stopping. */
  readonly stopping: AbortSignal;
}

/** Results are cached by file name, which is the hash of the content. */
export function createFileMeasures({ inputs, decoding, maxBytes, stopping }: MeasureOptions): MeasureFile {
  const known = new LRUCache<string, Measured, InputFile>({
    max: MOST_KEPT,
    fetchMethod: (_name, _stale, { context: file }) => withStorageDeadline(stopping, (signal) => measure(file, signal)),
  });

  async function measure(file: InputFile, signal: AbortSignal): Promise<Measured | undefined> {
    let kind: MediaKind | undefined;
    try {
      const start = await startOf(inputs, file, 0);
      const read = async (from: number) => (from === 0 ? start : startOf(inputs, file, from));
      kind = await mediaKindOf(read);
      if (kind === undefined) return undefined;
      if (kind === 'image' || kind === 'animation') {
        const size = await sizeOf(file, start);
        if (size.frames > MAX_FRAMES) throw new MediaFault(`has more than ${MAX_FRAMES} frames`);
        // Pictures appended to a JPEG are not animation frames.
        const moves = size.frames > 1 && frameTypeOf(start) !== 'jpeg';
        return { kind: moves ? 'animation' : 'image', picture: size };
      }
      const stored = { name: file.name, bytes: file.bytes ?? 0, start, frames: inputs, signal };
      return { kind, ...(await measureMedia(stored, MAX_FRAMES)) };
    } catch (error) {
      if (error instanceof MediaFault) return { fault: error.message };
      if (kind === undefined || error instanceof FleetError || signal.aborted) throw error;
      return { kind, sound: NO_SOUND, ...(kind === 'audio' ? {} : { picture: NO_PICTURE }) };
    }
  }

  async function sizeOf({ name, bytes = 0 }: InputFile, start: Buffer): Promise<PictureSize> {
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
      const sharp = await loadSharp();
      const { width, height, orientation, pages = 1 } = await sharp(all, { limitInputPixels: false }).metadata();
      if (TIFF.test(all.toString('latin1', 0, 2))) return measureTiff(all);
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

  // Each key waits for its own turn, also for a file that another key is waiting to have measured.
  return async (key, file) => known.get(file.name) ?? decoding(key, () => known.fetch(file.name, { context: file }));
}

async function startOf(inputs: FrameStore, { name, bytes = 1 }: InputFile, start: number): Promise<Buffer> {
  const stream = start < bytes ? await inputs.open(name, { start, end: start + TELLING_BYTES - 1 }) : undefined;
  return stream === undefined ? Buffer.alloc(0) : Buffer.concat(await stream.toArray());
}
