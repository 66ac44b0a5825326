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
  /** What a request for a frame asks for; undefined: the frame as it is. Throws validation_failed. */
  wanted(query: URLSearchParams, filename: string): DerivedOptions | undefined;
  /**
   * The frame in this size and format, never wider than the frame; converted when it is the key's turn, unless it is there.
   * Undefined when there is no such frame. Throws invalid_image, storage_failed, and the signal's reason.
   */
  get(filename: string, options: DerivedOptions, signal: AbortSignal, key: string): Promise<DerivedPicture | undefined>;
  /** Removes the output, and whatever was made of it or is being made. */
  deleteFrame(filename: string): Promise<void>;
}

/** Only `widths` can be asked for, so that derived pictures need a small multiple of the disk space of frames. */
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

  /** False when the frame is gone. */
  async function make(filename: string, name: string, wanted: DerivedOptions, signal: AbortSignal): Promise<boolean> {
    signal.throwIfAborted();
    const frame = await openPicture(frames, filename, { limits, signal });
    if (frame === undefined) return false;
    const picture = await convert(frame, wanted);
    await withStorageDeadline(signal, (inTime) => derived.put(name, pieces(picture), { signal: inTime }));
    if ((await frames.stat(filename)) !== undefined) return true;
    // The frame was deleted meanwhile, perhaps before this was stored.
    await derived.delete(name);
    return false;
  }

  /** All widths beyond that of a PNG are one picture. */
  async function notWider(filename: string, wanted: DerivedOptions, signal: AbortSignal): Promise<DerivedOptions> {
    if (wanted.width === undefined) return wanted;
    const start = await readStored(frames, filename, signal, { start: 0, end: PNG_WIDTH_END - 1 });
    const own = start && pngWidth(start);
    return own !== undefined && wanted.width >= own ? { ...wanted, width: undefined } : wanted;
  }

  return {
    wanted: (query, filename) => readOptions(query, widths, frameTypeOfName(filename)),
    get: async (filename, wanted, signal, key) => {
      // What was made of a frame that is gone must not be shown.
      if (!isFrameName(filename) || (await frames.stat(filename)) === undefined) return undefined;
      const form = await notWider(filename, wanted, signal);
      const name = derivedName(filename, form);
      const answer = { name, contentType: FORMATS[form.format] };
      if ((await derived.stat(name)) !== undefined) return answer;
      const made = await making(name, signal, (all) => decoding(key, () => make(filename, name, form, all)));
      return made ? answer : undefined;
    },
    deleteFrame: async (filename) => {
      // The frame goes first: a picture that is being made of it looks for it again once it is stored.
      await frames.delete(filename);
      if (!isFrameName(filename)) return derived.delete(posterName(filename));
      const formats = Object.keys(FORMATS) as Format[];
      const forms = formats.flatMap((format) => [undefined, ...widths].map((width) => ({ width, format })));
      await Promise.all(forms.map((form) => derived.delete(derivedName(filename, form))));
    },
  };
}

/** A PNG's signature, the length of its first chunk (13) and that chunk's name; its width follows in four bytes. */
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
    // JPEG has no transparency, and transparent pixels are mostly black.
    if (format === 'jpeg') picture.flatten({ background: '#ffffff' });
    return await picture.toFormat(format).toBuffer();
  } catch (cause) {
    const detail = 'The picture cannot be had in this size or format; take it as it is.';
    throw new FleetError('invalid_image', detail, { cause });
  }
}

/** Without a format it is that of the frame, or PNG for a GIF. */
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
