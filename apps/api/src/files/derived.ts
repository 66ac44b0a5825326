import { type FieldError, FleetError } from '@comfy-fleet/contracts';
import { type FrameStore, type FrameType, frameTypeOfName, isFrameName } from '@comfy-fleet/frames';
import type { Sharp } from 'sharp';
import type { Turns } from '../server/turns.js';
import { pieces } from './picture-bytes.js';
import { posterName } from './posters.js';
import { type Shared, shareWork } from './share-work.js';
import { withStorageDeadline } from './storage.js';
import { openPicture, readStored } from './stored-picture.js';

/** A PNG's signature, the length 13 of its first chunk and that chunk's name; then comes its width in four bytes. */
const PNG_START = Buffer.from('89504e470d0a1a0a0000000d49484452', 'hex');
const PNG_WIDTH_END = PNG_START.length + 4;

export interface Derived {
  /** What a request for a frame asks for beyond the frame as it is. Throws validation_failed. */
  wanted(query: URLSearchParams, filename: string): DerivedOptions | undefined;
  /**
   * The name under which the frame is in the store of derived pictures in this size and format; it is made when it is
   * not there, when it is the turn of that key. Never wider than the frame. Undefined when there is no such frame, or no longer. Throws invalid_image
   * when it cannot be made, storage_failed, and the signal's reason.
   */
  get(
    filename: string,
    options: DerivedOptions,
    signal: AbortSignal,
    key: string,
  ): Promise<{ readonly name: string; readonly contentType: string } | undefined>;
  /** Removes the output, and whatever was made of it or is being made. */
  deleteFrame(filename: string): Promise<void>;
}

/** `widths` are the only ones that can be asked for: what is kept on disk stays a small multiple of the frames. */
export function createDerived(options: {
  readonly frames: FrameStore;
  readonly derived: FrameStore;
  readonly widths: readonly number[];
  /** Of a frame: a larger one is not unpacked. */
  readonly maxBytes: number;
  readonly maxPixels: number;
  readonly decoding: Turns;
}): Derived {
  const { frames, derived, widths, decoding, ...limits } = options;
  const makings: Shared<string, boolean> = shareWork();

  /** False when the frame is gone. */
  async function make(filename: string, name: string, wanted: DerivedOptions, signal: AbortSignal): Promise<boolean> {
    signal.throwIfAborted();
    const frame = await openPicture(frames, filename, { limits, signal });
    if (frame === undefined) return false;
    const picture = await convert(frame, wanted);
    await withStorageDeadline(signal, (inTime) => derived.put(name, pieces(picture), { signal: inTime }));
    if ((await frames.stat(filename)) !== undefined) return true;
    // Deleted meanwhile, by somebody who may have looked here before this was put.
    await derived.delete(name);
    return false;
  }

  /** However wide it is asked for, there is one picture as wide as the frame; of other than a PNG one of each such width. */
  async function notWider(filename: string, wanted: DerivedOptions, signal: AbortSignal): Promise<DerivedOptions> {
    if (wanted.width === undefined) return wanted;
    const start = await readStored(frames, filename, signal, { start: 0, end: PNG_WIDTH_END - 1 });
    const own = start && pngWidth(start);
    return own !== undefined && wanted.width >= own ? { ...wanted, width: undefined } : wanted;
  }

  return {
    wanted: (query, filename) => readDerivedOptions(query, widths, frameTypeOfName(filename)),
    get: async (filename, wanted, signal, key) => {
      // asked of the frame first: what was made of one that is gone does not count any more
      if (!isFrameName(filename) || (await frames.stat(filename)) === undefined) return undefined;
      const form = await notWider(filename, wanted, signal);
      const name = derivedName(filename, form);
      const answer = { name, contentType: FORMATS[form.format] };
      if ((await derived.stat(name)) !== undefined) return answer;
      const made = await makings.join(name, signal, (all) => decoding(key, () => make(filename, name, form, all)));
      return made ? answer : undefined;
    },
    deleteFrame: async (filename) => {
      // First: who makes something of it now looks for it again when that is stored, and leaves nothing either.
      await frames.delete(filename);
      if (!isFrameName(filename)) return derived.delete(posterName(filename));
      const formats = Object.keys(FORMATS) as Format[];
      const forms = formats.flatMap((format) => [undefined, ...widths].map((width) => ({ width, format })));
      await Promise.all(forms.map((form) => derived.delete(derivedName(filename, form))));
    },
  };
}

/** Of the first bytes of a PNG, as more are not read for this; undefined when it is none. */
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
    // JPEG has no transparency, and what lies beneath it is mostly black
    if (format === 'jpeg') picture.flatten({ background: '#ffffff' });
    return await picture.toFormat(format).toBuffer();
  } catch (cause) {
    throw new FleetError('invalid_image', 'The picture cannot be had in this size or format; take it as it is.', {
      cause,
    });
  }
}

/** The formats that frames can be made into, with their content types. A format's name is its file extension. */
export const FORMATS = { png: 'image/png', jpeg: 'image/jpeg', webp: 'image/webp' } as const;
export type Format = keyof typeof FORMATS;

export interface DerivedOptions {
  /** Pixels; undefined: as wide as the frame. */
  readonly width: number | undefined;
  readonly format: Format;
}

/**
 * What `?width=` and `?format=` ask for of a frame of this type; undefined when it is the frame as it is. Without a format
 * it is the frame's own, or PNG where that cannot be made. Throws validation_failed that names what there is.
 */
export function readDerivedOptions(
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
