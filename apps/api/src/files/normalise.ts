import { FleetError, type InputFile, orAborted } from '@comfy-fleet/contracts';
import { frameTypeOf, inputName } from '@comfy-fleet/frames';
import type { Deps } from '../deps.js';
import type { Caller } from '../server/caller.js';
import { digestOf, invalidImage, pictureType, pieces, type RawPicture } from './picture-bytes.js';
import { requireStorageShare, withStorageDeadline } from './storage.js';
import { loadSharp } from './stored-picture.js';

interface NormalPicture {
  readonly png: Buffer;
  /** Of `png`: the same picture has the same name wherever it comes from. */
  readonly sha256: string;
  readonly width: number;
  readonly height: number;
}

interface NormaliseOptions {
  readonly maxPixels: number;
  /** The field the picture came in, for errors. */
  readonly pointer: string;
}

/**
 * Keeps a picture as an input that jobs can start from, when it is its turn: from its loading until it is stored no more
 * are in memory than take theirs, and each takes one of libuv's four threads, which everybody's files need too. Who leaves
 * gives up the turn, and the picture is let go of at once. Throws what `load` throws, invalid_image, storage_failed,
 * storage_share_exceeded, and the signal's reason.
 */
export async function keepPicture(
  deps: Pick<Deps, 'config' | 'decoding' | 'inputs' | 'ledger'>,
  load: () => Promise<RawPicture> | RawPicture,
  { caller, pointer, signal }: { readonly caller: Caller; readonly pointer: string; readonly signal: AbortSignal },
): Promise<InputFile> {
  signal.throwIfAborted();
  await requireStorageShare(deps, caller);
  let waiting: typeof load | undefined = load;
  const letGo = () => {
    waiting = undefined;
  };
  signal.addEventListener('abort', letGo, { once: true });
  const turn = deps.decoding(caller.id, async () => {
    const raw = await waiting?.();
    waiting = undefined;
    if (raw === undefined) throw signal.reason;
    const { png, sha256, width, height } = await normalisePicture(raw, {
      maxPixels: deps.config.images.maxPixels,
      pointer,
    });
    await storeInput(deps, { png, sha256 }, signal);
    await deps.ledger.storage.add(caller.id, { digest: sha256, bytes: png.length });
    const file: InputFile = { name: inputName(sha256), kind: 'image', width, height };
    return file;
  });
  return orAborted(turn, signal);
}

/** Longer than the largest picture takes on a slow machine. */
const DECODE_SECONDS = 30;
const RETRY_AFTER_SECONDS = 10;

/**
 * Makes the one form in which input pictures are kept: PNG, 8 bits, sRGB, upright as its EXIF orientation says, without
 * metadata. Of an animation it takes the first frame. What is transparent becomes white: ComfyUI's LoadImage drops the
 * alpha channel and would show whatever colour lies beneath, mostly black. Throws invalid_image.
 */
async function normalisePicture(raw: RawPicture, { maxPixels, pointer }: NormaliseOptions): Promise<NormalPicture> {
  const type = pictureType(raw.data);
  const isKnown = type !== undefined || (raw.isFrame === true && frameTypeOf(raw.data) !== undefined);
  if (!isKnown) throw invalidImage(pointer, 'The picture is not a PNG, JPEG or WebP.');
  if (raw.claimed !== undefined && raw.claimed !== type) {
    throw invalidImage(pointer, `The picture claims to be ${raw.claimed} but is ${type}.`);
  }
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
    const sha256 = await digestOf(png);
    return { png, sha256, width: info.width, height: info.height };
  } catch (error) {
    // sharp's word for its own deadline; nothing is wrong with the picture
    if (error instanceof Error && error.message.startsWith('timeout')) throw tookTooLong(error);
    throw damaged(pointer, error);
  }
}

/**
 * The size of a PNG, JPEG, WebP or GIF, upright as its EXIF orientation says, by its header only: nothing is decoded of one
 * that unpacks to gigabytes. Throws invalid_image.
 */
export async function pixelsOf(
  data: Buffer,
  { maxPixels, pointer }: NormaliseOptions,
): Promise<{ readonly width: number; readonly height: number }> {
  const sharp = await loadSharp();
  const { autoOrient } = await sharp(data, { limitInputPixels: false, pages: 1 })
    .metadata()
    .catch((error: unknown) => {
      throw damaged(pointer, error);
    });
  const { width, height } = autoOrient;
  if (width * height <= maxPixels) return { width, height };
  throw invalidImage(pointer, `The picture has ${width}×${height} pixels; ${maxPixels} in all are the most.`);
}

function damaged(pointer: string, cause: unknown): Error {
  return invalidImage(pointer, 'The picture cannot be decoded: it is damaged or not whole.', cause);
}

function tookTooLong(cause: Error): FleetError {
  const detail = 'The picture could not be decoded in time: too much is under way. Try again in a moment.';
  return new FleetError('overloaded', detail, { retryAfterSeconds: RETRY_AFTER_SECONDS, cause });
}

/** Keeps a picture that a job is to start from, unless it is there already. Throws storage_failed. */
async function storeInput(
  { inputs }: Pick<Deps, 'inputs'>,
  { sha256, png }: { readonly sha256: string; readonly png: Buffer },
  caller: AbortSignal,
): Promise<void> {
  const name = inputName(sha256);
  // As young as a new one, or the housekeeping might take it before the job is made.
  if ((await inputs.touch(name)) && (await inputs.stat(name))?.sha256 === sha256) return;
  await withStorageDeadline(caller, (signal) => inputs.put(name, pieces(png), { signal }));
}
