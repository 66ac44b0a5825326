import { Readable } from 'node:stream';
import type { AssetFile } from '@comfy-fleet/jobs';
import type { Sharp } from 'sharp';
import type { Deps } from '../deps.js';
import { invalidAt } from '../server/validator.js';
import { type KeepFileOptions, keepFile } from './keep-file.js';
import { DAMAGED, invalidImage, pieces } from './picture-bytes.js';
import { loadSharp, readStored } from './stored-picture.js';

/** Decoding the largest picture on a slow machine takes less. */
const DECODE_SECONDS = 30;

type ConvertDeps = Pick<Deps, 'config' | 'decoding' | 'inputs' | 'ledger'>;
type Make = (first: Buffer, ...others: Buffer[]) => Promise<Buffer | undefined>;

/**
 * Makes a new file from pictures in the input store; undefined if `make` returns undefined. Throws validation_failed,
 * invalid_image, storage_failed.
 */
export async function convertPicture(
  deps: ConvertDeps,
  make: Make,
  [first, ...others]: readonly [string, ...string[]],
  about: Omit<KeepFileOptions, 'isSent'>,
): Promise<AssetFile | undefined> {
  const { caller, pointer, signal } = about;
  const read = async (name: string) => {
    const data = await readStored(deps.inputs, name, signal);
    if (data === undefined) throw invalidAt(pointer, 'was deleted; send it again');
    return data;
  };
  const made = await deps.decoding(caller.id, async () => {
    signal.throwIfAborted();
    const data = [await read(first), ...(await Promise.all(others.map(read)))] as const;
    return make(...data).catch((cause: unknown) => {
      throw invalidImage(pointer, DAMAGED, cause);
    });
  });
  return made && keepFile(deps, Readable.from(pieces(made)), { ...about, isSent: false });
}

/** The picture as a PNG on a white background; undefined if it has no transparency. */
export async function onWhite(picture: Buffer): Promise<Buffer | undefined> {
  if (!(await hasAlpha(picture))) return undefined;
  return (await opened(picture)).flatten({ background: '#ffffff' }).png().toBuffer();
}

/** Opens a picture without a pixel limit, because its type and size were checked when it arrived. */
export async function opened(picture: Buffer): Promise<Sharp> {
  const options = { failOn: 'error', limitInputPixels: false, pages: 1 } as const;
  const sharp = await loadSharp();
  return sharp(picture, options).timeout({ seconds: DECODE_SECONDS }).autoOrient();
}

export async function hasAlpha(picture: Buffer): Promise<boolean> {
  const sharp = await loadSharp();
  return (await sharp(picture, { limitInputPixels: false }).metadata()).hasAlpha;
}
