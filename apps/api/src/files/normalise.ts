import { FleetError, type InputFile, orAborted } from '@comfy-fleet/contracts';
import { frameTypeOf, inputName } from '@comfy-fleet/frames';
import type { Deps } from '../deps.js';
import type { Caller } from '../server/gate.js';
import { digestOf, invalidImage, pictureType, pieces, type RawPicture } from './picture-bytes.js';
import { requireStorageShare, withStorageDeadline } from './storage.js';
import { loadSharp } from './stored-picture.js';

interface PictureField {
  readonly maxPixels: number;
  /** The field the picture came in, for errors. */
  readonly pointer: string;
}

/** Longer than the largest picture takes on a slow machine. */
const DECODE_SECONDS = 30;
const RETRY_AFTER_SECONDS = 10;

/**
 * Keeps a picture as an input that jobs can start from, when it is the key's turn: decoding takes memory, and one of libuv's
 * four threads, which files need too. When the caller leaves, the picture is dropped at once. Throws what `load` throws,
 * invalid_image, storage_failed, storage_share_exceeded, and the signal's reason.
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
    // `touch` makes an old file as young as a new one, or the housekeeping might delete it before the job is made.
    const isKept = (await inputs.touch(name)) && (await inputs.stat(name))?.sha256 === sha256;
    if (!isKept) await withStorageDeadline(signal, (inTime) => inputs.put(name, pieces(png), { signal: inTime }));
    await ledger.storage.add(caller.id, { digest: sha256, bytes: png.length });
    const file: InputFile = { name, kind: 'image', width, height };
    return file;
  });
  return orAborted(turn, signal);
}

/**
 * Makes the one form in which input pictures are kept: PNG, 8 bits, sRGB, upright, without metadata; the first frame of an
 * animation. Transparent pixels become white: ComfyUI's LoadImage drops the alpha channel, and shows what is mostly black.
 */
async function normalise(raw: RawPicture, { maxPixels, pointer }: PictureField) {
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
    return { png, width: info.width, height: info.height };
  } catch (cause) {
    // This is how sharp says that its own deadline has passed.
    if (!(cause instanceof Error) || !cause.message.startsWith('timeout')) throw damaged(pointer, cause);
    const detail = 'The picture could not be decoded in time: too much is under way. Try again in a moment.';
    throw new FleetError('overloaded', detail, { retryAfterSeconds: RETRY_AFTER_SECONDS, cause });
  }
}

/** The size of an upright picture by its header: a picture that unpacks to gigabytes is not decoded. Throws invalid_image. */
export async function pixelsOf(
  data: Buffer,
  { maxPixels, pointer }: PictureField,
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
