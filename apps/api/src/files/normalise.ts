import { FleetError, type InputFile, orAborted } from '@comfy-fleet/contracts';
import { frameTypeOf, inputName } from '@comfy-fleet/frames';
import type { Deps } from '../deps.js';
import type { Caller } from '../server/gate.js';
import { digestOf, invalidImage, pictureType, pieces, type RawPicture } from './picture-bytes.js';
import { requireStorageShare, withStorageDeadline } from './storage.js';
import { loadSharp, requireFast } from './stored-picture.js';

interface PictureField {
  readonly maxPixels: number;
  /** The field that contains the picture, for errors. */
  readonly pointer: string;
}

/** Longer than the largest picture takes on a slow machine. */
const DECODE_SECONDS = 30;
const RETRY_AFTER_SECONDS = 10;

/**
 * Normalises a picture and stores it as an input for jobs when it is the key's turn: decoding takes memory and one of libuv's
 * four threads, which file access also needs. When the caller disconnects, the picture is released at once. Throws what `load`
 * throws, invalid_image, storage_failed, storage_share_exceeded, and the signal's reason.
 */
export async function keepPicture(
  deps: Pick<Deps, 'config' | 'decoding' | 'inputs' | 'ledger'>,
  load: () => Promise<RawPicture> | RawPicture,
  { caller, pointer, signal }: { readonly caller: Caller; readonly pointer: string; readonly signal: AbortSignal },
): Promise<InputFile> {
  const { config, decoding, inputs, ledger } = deps;
  signal.throwIfAborted();
  await requireStorageShare(deps, caller);
  let waiting: typeof load | undefined = load;
  const drop = () => {
    waiting = undefined;
  };
  signal.addEventListener('abort', drop, { once: true });
  const turn = decoding(caller.id, async () => {
    const raw = await waiting?.();
    drop();
    if (raw === undefined) throw signal.reason;
    const { png, width, height } = await normalise(raw, { maxPixels: config.images.maxPixels, pointer });
    const sha256 = await digestOf(png);
    const name = inputName(sha256);
    // `touch` renews the age of an existing file; otherwise the housekeeping might delete it before the job is created.
    const isKept = (await inputs.touch(name)) && (await inputs.stat(name))?.sha256 === sha256;
    if (!isKept) await withStorageDeadline(signal, (inTime) => inputs.put(name, pieces(png), { signal: inTime }));
    await ledger.storage.add(caller.id, { digest: sha256, bytes: png.length });
    const file: InputFile = { name, kind: 'image', width, height };
    return file;
  });
  return orAborted(turn, signal);
}

/**
 * Converts a picture to the form in which inputs are stored: PNG, 8 bits, sRGB, upright, without metadata, and only the first
 * frame of an animation. Transparent pixels become white, because ComfyUI's LoadImage drops the alpha channel, which would
 * usually leave them black.
 */
async function normalise(raw: RawPicture, { maxPixels, pointer }: PictureField) {
  const type = pictureType(raw.data);
  const isKnown = type !== undefined || (raw.isFrame === true && frameTypeOf(raw.data) !== undefined);
  if (!isKnown) throw invalidImage(pointer, 'The picture is not a PNG, JPEG or WebP.');
  await pixelsOf(raw.data, { maxPixels, pointer });
  const sharp = await loadSharp();
  try {
    const { data: png, info } = await sharp(raw.data, { failOn: 'error', limitInputPixels: maxPixels, pages: 1 })
      .timeout({ seconds: DECODE_SECONDS })
      .autoOrient()
      .flatten({ background: '#ffffff' })
      .toColourspace('srgb')
      .png()
      .toBuffer({ resolveWithObject: true });
    return { png, width: info.width, height: info.height };
  } catch (cause) {
    // sharp reports its timeout only by this message.
    if (!(cause instanceof Error) || !cause.message.startsWith('timeout')) throw damaged(pointer, cause);
    const detail = 'The picture could not be decoded in time because the service is busy. Try again in a moment.';
    throw new FleetError('overloaded', detail, { retryAfterSeconds: RETRY_AFTER_SECONDS, cause });
  }
}

/**
 * Reads the size of the upright picture from its header, without decoding it. Throws invalid_image for too many pixels, frames
 * or scans.
 */
export async function pixelsOf(
  data: Buffer,
  { maxPixels, pointer }: PictureField,
): Promise<{ readonly width: number; readonly height: number }> {
  await requireFast(data, pointer);
  const sharp = await loadSharp();
  const { autoOrient } = await sharp(data, { limitInputPixels: false, pages: 1 })
    .metadata()
    .catch((error: unknown) => {
      throw damaged(pointer, error);
    });
  const { width, height } = autoOrient;
  if (width * height <= maxPixels) return { width, height };
  throw invalidImage(pointer, `The picture has ${width}×${height} pixels; at most ${maxPixels} are allowed.`);
}

function damaged(pointer: string, cause: unknown): Error {
  return invalidImage(pointer, 'The picture cannot be decoded: it is damaged or incomplete.', cause);
}
