import { FleetError, type InputFile } from '@comfy-fleet/contracts';
import {
  type FrameStore,
  hiddenPictures,
  type MediaKind,
  measureMedia,
  mediaKindOf,
  pngFrames,
  TELLING_BYTES,
} from '@comfy-fleet/frames';
import { type LoadedMedia, MAX_FRAMES } from '@comfy-fleet/workflows';
import { LRUCache } from 'lru-cache';
import type { Turns } from '../server/turns.js';
import { withStorageDeadline } from './storage.js';
import { loadSharp } from './stored-picture.js';

/** Files whose measures are kept: a few hundred bytes each. */
const MOST_KEPT = 10_000;
const NO_PICTURE = { width: 1, height: 1, frames: Number.POSITIVE_INFINITY };
const NO_SOUND = { seconds: Number.POSITIVE_INFINITY, rate: 1, channels: 1 };

/** What a file is by its bytes, and what it becomes when a node decodes it. */
export interface Measured extends LoadedMedia {
  readonly kind: MediaKind;
}

/** Measures a file of the store of inputs when it is the key's turn; undefined if it is no picture, video or sound. */
export type MeasureFile = (key: string, file: InputFile) => Promise<Measured | undefined>;

interface MeasureOptions {
  readonly inputs: FrameStore;
  readonly decoding: Turns;
  /** Of a picture, which is looked at as a whole. */
  readonly maxBytes: number;
  /** Aborts when the process is to end. */
  readonly stopping: AbortSignal;
}

/** A file's name is the hash of its content, so each is measured once. */
export function createFileMeasures({ inputs, decoding, maxBytes, stopping }: MeasureOptions): MeasureFile {
  const known = new LRUCache<string, Measured, { readonly key: string; readonly file: InputFile }>({
    max: MOST_KEPT,
    fetchMethod: (_name, _stale, { context: { key, file } }) =>
      decoding(key, () => withStorageDeadline(stopping, (signal) => measure(file, signal))),
  });

  async function measure(file: InputFile, signal: AbortSignal): Promise<Measured | undefined> {
    const { name, width, height } = file;
    const read = (start: number) => startOf(inputs, file, start);
    const kind = await mediaKindOf(read);
    if (kind === undefined) return undefined;
    try {
      if (name.endsWith('.png') && width !== undefined && height !== undefined) {
        const content = await inputs.open(name);
        return content && picture(await pngFrames(content), { width, height });
      }
      if (kind === 'image' || kind === 'animation') return await pagesOf(file);
      const stored = { name, bytes: file.bytes ?? 0, start: await read(0), frames: inputs, signal };
      return { kind, ...(await measureMedia(stored, MAX_FRAMES)) };
    } catch (error) {
      if (error instanceof FleetError || signal.aborted) throw error;
      return { kind, sound: NO_SOUND, ...(kind === 'audio' ? {} : { picture: NO_PICTURE }) };
    }
  }

  async function pagesOf({ name, bytes = 0 }: InputFile): Promise<Measured> {
    if (bytes > maxBytes) throw new Error('it is too large to be looked at');
    const content = Buffer.concat((await (await inputs.open(name))?.toArray()) ?? []);
    const sharp = await loadSharp();
    const { width, height, pages = 1 } = await sharp(content, { limitInputPixels: false }).metadata();
    return picture(pages, { width, height }, hiddenPictures(content));
  }

  return async (key, file) => {
    const { name, kind, bytes, width, height } = file;
    // A file without a known size is a picture that was normalised here, and therefore still.
    if (kind === 'image' && bytes === undefined && width !== undefined && height !== undefined)
      return picture(1, { width, height });
    return known.fetch(name, { context: { key, file } });
  };
}

/** `hidden`: pictures that are decoded with it, although none of them moves. */
function picture(frames: number, size: { readonly width: number; readonly height: number }, hidden = 0): Measured {
  return { kind: frames > 1 ? 'animation' : 'image', picture: { ...size, frames: Math.max(frames, hidden) } };
}

async function startOf(inputs: FrameStore, { name, bytes = 1 }: InputFile, start: number): Promise<Buffer> {
  const stream = start < bytes ? await inputs.open(name, { start, end: start + TELLING_BYTES - 1 }) : undefined;
  return stream === undefined ? Buffer.alloc(0) : Buffer.concat(await stream.toArray());
}
