import type { Config } from '@comfy-fleet/config';
import { FleetError } from '@comfy-fleet/contracts';
import { contentTypeOf, type FrameStore, type FrameStores, frameTypeOfName, isFrameName } from '@comfy-fleet/frames';
import type { Decoder } from '../decoding/tasks.js';
import type { Turns } from '../server/turns.js';
import { pieces } from './picture-bytes.js';
import { withStorageDeadline } from './storage.js';

/** The formats that frames can be converted to, with their content types. A format's name is its file extension. */
export const FORMATS = { png: 'image/png', jpeg: 'image/jpeg', webp: 'image/webp' } as const;
type Format = keyof typeof FORMATS;

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
  readonly decoding: Turns;
  readonly signal: AbortSignal;
}

/**
 * Pictures that are made of outputs. A picture that is not stored yet is made in the key's turn. Undefined if the output does
 * not exist.
 */
export interface Derived {
  /**
   * The frame in this size and format, never enlarged. Throws invalid_image, storage_failed, storage_full,
   * storage_share_exceeded and the signal's reason.
   */
  picture(filename: string, form: Form, visit: Visit): Promise<StoredPicture | undefined>;
  /** Deletes the output and everything that was made of it, or is being made. */
  deleteFrame(filename: string): Promise<void>;
}

/** Only `widths` are allowed, so that few pictures are made of a frame. Frames of more than `maxBytes` are not converted. */
export function createDerived({
  frames,
  derived,
  widths,
  decoder,
  maxBytes,
  maxPixels,
  room,
}: Pick<FrameStores, 'frames' | 'derived'> &
  Pick<Config['images'], 'widths' | 'maxBytes' | 'maxPixels'> & {
    readonly decoder: Pick<Decoder, 'convert'>;
    /** Counts a picture that is about to be stored. Throws storage_full and storage_share_exceeded. */
    readonly room: (filename: string, bytes: number) => Promise<void>;
  }): Derived {
  return {
    picture: async (filename, { width, format }, { key, decoding, signal }) => {
      if (!isFrameName(filename)) return undefined;
      const own = frameTypeOfName(filename) ?? 'png';
      if (width === undefined && (format === undefined || format === own)) {
        return { store: frames, name: filename, contentType: contentTypeOf(filename) };
      }
      const form = { width, format: format ?? (own === 'gif' ? 'png' : own) };
      const name = pictureName(filename, form);
      const copy = { store: derived, name, contentType: FORMATS[form.format] };
      const isStored = async () => (await derived.stat(name)) !== undefined;
      // A copy of a deleted output must not be served.
      const info = await frames.stat(filename);
      if (info === undefined) return undefined;
      if (await isStored()) return copy;
      if (info.bytes > maxBytes)
        throw inconvertible(`has ${info.bytes} bytes; at most ${maxBytes} can be converted (MAX_IMAGE_BYTES)`);
      const make = async () => {
        // Another request may have made it meanwhile.
        if (await isStored()) return copy;
        const converting = decoder.convert({ store: 'frames', name: filename }, form, maxPixels);
        const picture = await converting.catch((cause: unknown) => inconvertible('cannot be converted', cause));
        if (picture instanceof FleetError) {
          if ((await frames.stat(filename)) === undefined) return undefined;
          throw picture;
        }
        await room(filename, picture.length);
        await withStorageDeadline(signal, (inTime) => derived.put(name, pieces(picture), { signal: inTime }));
        if ((await frames.stat(filename)) !== undefined) return copy;
        // The output was deleted meanwhile, possibly before the copy was stored.
        await derived.delete(name);
        return undefined;
      };
      return decoding(key, make, { signal });
    },
    deleteFrame: async (filename) => {
      // The output is deleted first: what is being made of it is deleted when it has been stored.
      await frames.delete(filename);
      if (!isFrameName(filename)) return;
      const formats = Object.keys(FORMATS) as Format[];
      const forms = formats.flatMap((format) => [undefined, ...widths].map((width) => ({ width, format })));
      await Promise.all(forms.map((form) => derived.delete(pictureName(filename, form))));
    },
  };
}

/** `<job id>_<n>_w512.webp` */
function pictureName(
  filename: string,
  { width, format }: { readonly width: number | undefined; readonly format: Format },
) {
  const stem = filename.slice(0, filename.lastIndexOf('.'));
  return `${stem}${width === undefined ? '' : `_w${width}`}.${format}`;
}

function inconvertible(why: string, cause?: unknown): FleetError {
  return new FleetError('invalid_image', `The picture ${why}. Request it without width and format.`, { cause });
}
