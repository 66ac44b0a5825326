import type { Workflow } from '@comfy-fleet/workflows';
import type { Sharp } from 'sharp';
import { convertPicture, hasAlpha, opened } from '../../files/convert-picture.js';
import { loadSharp } from '../../files/stored-picture.js';
import type { SentFile } from '../../server/messages.js';
import { invalidField } from '../../server/validator.js';
import type { Task } from './images-request.js';
import { isNeeded, MASK } from './models.js';
import type { SentPictures } from './sent-pictures.js';

const OPAQUE = 'must have transparent parts, which mark what to change';
const MASKLESS = 'is required, unless the picture has transparent parts, which mark what to change';
/** The index of the channel after red, green and blue. */
const ALPHA = 3;

/**
 * Prepares the pictures of an edit as files for the inputs of the workflow. The transparency of the mask becomes the
 * workflow's mask. Throws validation_failed, invalid_image, storage_failed.
 */
export async function preparePictures(task: Task, workflow: Workflow, sent: SentPictures): Promise<SentFile[]> {
  const { pictures, mask, maskAs } = sent;
  const files = pictures.map(({ input, file }) => ({ ...file, field: input }));
  const first = pictures[0]?.file;
  if (maskAs === 'transparency' && mask !== undefined && first !== undefined) {
    const field = files[0]?.field ?? '';
    return [await made(task, withTransparencyOf, [mask, first], { field, fault: OPAQUE }), ...files.slice(1)];
  }
  const needsMask = workflow.inputs.some((input) => input.name === MASK && isNeeded(input));
  const source = mask ?? (needsMask ? first : undefined);
  if (maskAs !== 'input' || source === undefined) return files;
  const fault = mask === undefined ? MASKLESS : OPAQUE;
  return [...files, await made(task, maskOf, [source], { field: MASK, fault })];
}

/** A file for an input, made from pictures of which the first one must have transparency. */
async function made(
  { deps, request: { caller, holds, signal } }: Task,
  make: Parameters<typeof convertPicture>[1],
  [source, ...others]: readonly [SentFile, ...SentFile[]],
  { field, fault }: { readonly field: string; readonly fault: string },
): Promise<SentFile> {
  const { filename } = source;
  const names = [source.file.name, ...others.map(({ file }) => file.name)] as const;
  const about = { caller, holds, signal, filename, pointer: `/${source.field}` };
  const file = await convertPicture(deps, make, names, about);
  if (file === undefined) throw invalidField(MASK, fault);
  return { field, filename, file };
}

/**
 * Makes a mask from a picture whose transparent parts mark what to change: a PNG that is transparent and white there, and
 * black elsewhere. ComfyUI's loaders read the same mask from its alpha channel and from each colour channel. Undefined if
 * the picture has no transparency.
 */
export async function maskOf(picture: Buffer): Promise<Buffer | undefined> {
  if (!(await hasAlpha(picture))) return undefined;
  const sharp = await loadSharp();
  const alpha = await pixelsOf((await opened(picture)).ensureAlpha().extractChannel(ALPHA));
  const inverted = await pixelsOf(sharp(alpha.data, { raw: alpha.info }).negate().toColourspace('srgb'));
  return joinAlpha(inverted, alpha);
}

/** The picture with the transparency of the mask, as a PNG; undefined if the mask has none. */
export async function withTransparencyOf(mask: Buffer, picture: Buffer): Promise<Buffer | undefined> {
  if (!(await hasAlpha(mask))) return undefined;
  const alpha = await pixelsOf((await opened(mask)).ensureAlpha().extractChannel(ALPHA));
  return joinAlpha(await pixelsOf((await opened(picture)).removeAlpha().toColourspace('srgb')), alpha);
}

type Pixels = Awaited<ReturnType<typeof pixelsOf>>;

/** Runs a pipeline. Sharp reorders the steps within a pipeline, so some steps need a separate one. */
function pixelsOf(picture: Sharp) {
  return picture.raw({ depth: 'uchar' }).toBuffer({ resolveWithObject: true });
}

/** Joins colours and an alpha channel of the same size into a PNG. */
async function joinAlpha(colours: Pixels, alpha: Pixels): Promise<Buffer> {
  const sharp = await loadSharp();
  return sharp(colours.data, { raw: colours.info }).joinChannel(alpha.data, { raw: alpha.info }).png().toBuffer();
}
