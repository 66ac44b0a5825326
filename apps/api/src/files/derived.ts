import { type FieldError, FleetError } from '@comfy-fleet/contracts';
import { type FrameStore, type FrameType, frameTypeOfName, isFrameName } from '@comfy-fleet/frames';
import type { Sharp } from 'sharp';
import { shareWork, type Turns } from '../server/turns.js';
import { pieces } from './picture-bytes.js';
import { type DerivedPicture, posterName } from './posters.js';
import { withStorageDeadline } from './storage.js';
import { openPicture, readStored } from './stored-picture.js';

/** The formats that frames can be converted to, with their content types. A format's name is its file extension. */
export const FORMATS = { png: 'image/png', jpeg: 'image/jpeg', webp: 'image/webp' } as const;
type Format = keyof typeof FORMATS;

interface DerivedOptions {
  /** Pixels; undefined: as wide as the frame. */
  readonly width: number | undefined;
  readonly format: Format;
}

export interface Derived {
  /** The size and format that a query requests; undefined: the original frame. Throws validation_failed. */
  wanted(query: URLSearchParams, filename: string): DerivedOptions | undefined;
  /**
   * The frame in this size and format, never enlarged. If it is not stored yet, it is converted when it is the key's turn.
   * Undefined when there is no such frame. Throws invalid_image, storage_failed, and the signal's reason.
   */
  get(filename: string, options: DerivedOptions, signal: AbortSignal, key: string): Promise<DerivedPicture | undefined>;
  /** Deletes the output and everything derived from it, including conversions that are still running. */
  deleteFrame(filename: string): Promise<void>;
}

/** Only `widths` are allowed, so that derived pictures take at most a small multiple of the frames' disk space. */
export function createDerived(options: {
  readonly frames: FrameStore;
  readonly derived: FrameStore;
  readonly widths: readonly number[];
  /** Larger frames are not converted. */
  readonly maxBytes: number;
  readonly maxPixels: number;
  readonly decoding: Turns;
}): Derived {
  const { frames, derived, widths, decoding, ...limits } = options;
  const making = shareWork<boolean>();

  /** False when the frame no longer exists. */
  async function make(filename: string, name: string, wanted: DerivedOptions, signal: AbortSignal): Promise<boolean> {
    signal.throwIfAborted();
    const frame = await openPicture(frames, filename, { limits, signal });
    if (frame === undefined) return false;
    const picture = await convert(frame, wanted);
    await withStorageDeadline(signal, (inTime) => derived.put(name, pieces(picture), { signal: inTime }));
    if ((await frames.stat(filename)) !== undefined) return true;
    // The frame was deleted meanwhile, possibly before the derived picture was stored.
    await derived.delete(name);
    return false;
  }

  /** Drops a width that is not smaller than that of a PNG, so that all those widths share one derived picture. */
  async function notWider(filename: string, wanted: DerivedOptions, signal: AbortSignal): Promise<DerivedOptions> {
    if (wanted.width === undefined) return wanted;
    const start = await readStored(frames, filename, signal, { start: 0, end: PNG_WIDTH_END - 1 });
    const own = start && pngWidth(start);
    return own !== undefined && wanted.width >= own ? { ...wanted, width: undefined } : wanted;
  }

  return {
    wanted: (query, filename) => readOptions(query, widths, frameTypeOfName(filename)),
    get: async (filename, wanted, signal, key) => {
      // A picture derived from a deleted frame must not be served.
      if (!isFrameName(filename) || (await frames.stat(filename)) === undefined) return undefined;
      const form = await notWider(filename, wanted, signal);
      const name = derivedName(filename, form);
      const answer = { name, contentType: FORMATS[form.format] };
      if ((await derived.stat(name)) !== undefined) return answer;
      const made = await making(name, signal, (all) => decoding(key, () => make(filename, name, form, all)));
      return made ? answer : undefined;
    },
    deleteFrame: async (filename) => {
      // The frame is deleted first: a running conversion checks that it still exists after storing its result.
      await frames.delete(filename);
      if (!isFrameName(filename)) return derived.delete(posterName(filename));
      const formats = Object.keys(FORMATS) as Format[];
      const forms = formats.flatMap((format) => [undefined, ...widths].map((width) => ({ width, format })));
      await Promise.all(forms.map((form) => derived.delete(derivedName(filename, form))));
    },
  };
}

/** A PNG's signature, then the length (13) and the name of its first chunk. The width follows in four bytes. */
const PNG_START = Buffer.from('89504e470d0a1a0a0000000d49484452', 'hex');
const PNG_WIDTH_END = PNG_START.length + 4;

/** Undefined when these are not the first bytes of a PNG. */
function pngWidth(start: Buffer): number | undefined {
  const isPng = start.length === PNG_WIDTH_END && start.subarray(0, PNG_START.length).equals(PNG_START);
  return isPng ? start.readUInt32BE(PNG_START.length) : undefined;
}

/** `<job id>_<n>_w512.webp` */
function derivedName(filename: string, { width, format }: DerivedOptions): string {
  const stem = filename.slice(0, filename.lastIndexOf('.'));
  return `${stem}${width === undefined ? '' : `_w${width}`}.${format}`;
}

async function convert(picture: Sharp, { width, format }: DerivedOptions): Promise<Buffer> {
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

/** Reads size and format. The default format is that of the frame, or PNG for a GIF. */
function readOptions(
  query: URLSearchParams,
  widths: readonly number[],
  own: FrameType = 'png',
): DerivedOptions | undefined {
  const errors: FieldError[] = [];
  const choice = <T extends string>(name: string, known: readonly T[]): T | undefined => {
    const values = query.getAll(name);
    const chosen = values.length === 1 ? known.find((value) => value === values[0]) : undefined;
    if (values.length > 0 && chosen === undefined)
      errors.push({ pointer: `/${name}`, detail: `must be one of ${known.join(', ')}` });
    return chosen;
  };
  const width = choice('width', widths.map(String));
  const format = choice('format', Object.keys(FORMATS) as Format[]);
  if (errors.length > 0) throw new FleetError('validation_failed', 'The query has an invalid parameter.', { errors });
  if (width === undefined && (format === undefined || format === own)) return undefined;
  const kept = own === 'gif' ? 'png' : own;
  return { width: width === undefined ? undefined : Number(width), format: format ?? kept };
}
