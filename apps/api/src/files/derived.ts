import { FleetError } from '@comfy-fleet/contracts';
import { contentTypeOf, type FrameStore, frameTypeOfName, isFrameName } from '@comfy-fleet/frames';
import type { Sharp } from 'sharp';
import { createTurns, type Turns } from '../server/turns.js';
import { pieces } from './picture-bytes.js';
import { firstFrame } from './posters.js';
import { withStorageDeadline } from './storage.js';
import { openPicture } from './stored-picture.js';

/** The formats that frames can be converted to, with their content types. A format's name is its file extension. */
export const FORMATS = { png: 'image/png', jpeg: 'image/jpeg', webp: 'image/webp' } as const;
type Format = keyof typeof FORMATS;

/** How many ffmpeg processes run at a time. */
const MOST_FFMPEGS = 2;
const MOST_FFMPEGS_OF_KEY = 1;

/** Where a picture is stored. */
interface StoredPicture {
  readonly store: FrameStore;
  readonly name: string;
  readonly contentType: string;
}

interface Form {
  /** Pixels; undefined: as wide as the frame. */
  readonly width?: number | undefined;
  readonly format?: Format | undefined;
}

interface Visit {
  /** The key whose turn it has to be. */
  readonly key: string;
  readonly signal: AbortSignal;
}

/**
 * Pictures that are made of outputs. A picture that is not stored yet is made in the key's turn. Undefined if the output does
 * not exist.
 */
export interface Derived {
  /** The frame in this size and format, never enlarged. Throws invalid_image, storage_failed and the signal's reason. */
  picture(filename: string, form: Form, visit: Visit): Promise<StoredPicture | undefined>;
  /** The first frame of a video as a JPEG. Throws no_poster, storage_failed and the signal's reason. */
  poster(filename: string, visit: Visit): Promise<StoredPicture | undefined>;
  /** Deletes the output and everything that was made of it, or is being made. */
  deleteFrame(filename: string): Promise<void>;
}

/** Only `widths` are allowed, so that derived pictures take at most a small multiple of the frames' disk space. */
export function createDerived({
  frames,
  derived,
  widths,
  ffmpeg,
  decoding,
  ...limits
}: {
  readonly frames: FrameStore;
  readonly derived: FrameStore;
  readonly widths: readonly number[];
  readonly ffmpeg: string;
  /** Larger frames are not converted. */
  readonly maxBytes: number;
  readonly maxPixels: number;
  readonly decoding: Turns;
}): Derived {
  const ffmpegs = createTurns(MOST_FFMPEGS, { ofKey: MOST_FFMPEGS_OF_KEY });

  async function copyOf(
    filename: string,
    copy: StoredPicture,
    { key, signal }: Visit,
    { turns, make }: { readonly turns: Turns; readonly make: () => Promise<Buffer | undefined> },
  ): Promise<StoredPicture | undefined> {
    const { name } = copy;
    const isStored = async () => (await derived.stat(name)) !== undefined;
    // A copy of a deleted output must not be served.
    if ((await frames.stat(filename)) === undefined) return undefined;
    if (await isStored()) return copy;
    return turns(key, async () => {
      signal.throwIfAborted();
      // Another request may have made it meanwhile.
      if (await isStored()) return copy;
      const picture = await make();
      if (picture === undefined) return undefined;
      await withStorageDeadline(signal, (inTime) => derived.put(name, pieces(picture), { signal: inTime }));
      if ((await frames.stat(filename)) !== undefined) return copy;
      // The output was deleted meanwhile, possibly before the copy was stored.
      await derived.delete(name);
      return undefined;
    });
  }

  return {
    picture: async (filename, { width, format }, visit) => {
      if (!isFrameName(filename)) return undefined;
      const own = frameTypeOfName(filename) ?? 'png';
      if (width === undefined && (format === undefined || format === own)) {
        return { store: frames, name: filename, contentType: contentTypeOf(filename) };
      }
      const form = { width, format: format ?? (own === 'gif' ? 'png' : own) };
      const copy = { store: derived, name: pictureName(filename, form), contentType: FORMATS[form.format] };
      const make = async () => {
        const frame = await openPicture(frames, filename, { limits, signal: visit.signal });
        return frame && convert(frame, form);
      };
      return copyOf(filename, copy, visit, { turns: decoding, make });
    },
    poster: async (filename, visit) => {
      const copy = { store: derived, name: posterName(filename), contentType: 'image/jpeg' };
      const { maxPixels } = limits;
      const make = () => firstFrame(frames, filename, { ffmpeg, maxPixels, signal: visit.signal });
      return copyOf(filename, copy, visit, { turns: ffmpegs, make });
    },
    deleteFrame: async (filename) => {
      // The output is deleted first: what is being made of it is deleted when it has been stored.
      await frames.delete(filename);
      const formats = Object.keys(FORMATS) as Format[];
      const forms = formats.flatMap((format) => [undefined, ...widths].map((width) => ({ width, format })));
      const pictures = () => forms.map((form) => pictureName(filename, form));
      const names = isFrameName(filename) ? pictures() : [posterName(filename)];
      await Promise.all(names.map((name) => derived.delete(name)));
    },
  };
}

/** `<job id>_<n>_w512.webp` */
function pictureName(
  filename: string,
  { width, format }: { readonly width: number | undefined; readonly format: Format },
) {
  return `${stemOf(filename)}${width === undefined ? '' : `_w${width}`}.${format}`;
}

/** `<job id>_<n>_poster.jpeg` */
function posterName(filename: string): string {
  return `${stemOf(filename)}_poster.jpeg`;
}

function stemOf(filename: string): string {
  return filename.slice(0, filename.lastIndexOf('.'));
}

async function convert(
  picture: Sharp,
  { width, format }: { readonly width: number | undefined; readonly format: Format },
) {
  try {
    if (width !== undefined) picture.resize({ width, withoutEnlargement: true });
    // JPEG has no transparency, and transparent pixels are usually black.
    if (format === 'jpeg') picture.flatten({ background: '#ffffff' });
    return await picture.toFormat(format).toBuffer();
  } catch (cause) {
    const detail = 'The picture cannot be converted; request it without width and format.';
    throw new FleetError('invalid_image', detail, { cause });
  }
}
