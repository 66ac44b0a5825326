import { Readable } from 'node:stream';
import { FleetError } from '@comfy-fleet/contracts';
import type { Workflow } from '@comfy-fleet/workflows';
import type { Sharp } from 'sharp';
import { keepFile } from '../../files/keep-file.js';
import { invalidImage, pieces } from '../../files/picture-bytes.js';
import { loadSharp, readStored } from '../../files/stored-picture.js';
import type { SentFile } from '../../server/messages.js';
import { invalidField } from '../../server/validator.js';
import type { Task } from './images-request.js';
import { isNeeded, MASK } from './models.js';
import type { SentPictures } from './sent-pictures.js';

const OPAQUE = 'must have transparent parts, which mark what to change';
const MASKLESS = 'is required, unless the picture has transparent parts, which mark what to change';
/** Decoding the largest picture on a slow machine takes less. */
const DECODE_SECONDS = 30;
/** The index of the channel after red, green and blue. */
const ALPHA = 3;

/**
 * Prepares the pictures of an edit as files for the inputs of the workflow. The transparency of the mask becomes the
 * workflow's mask. A picture whose own transparency is not used gets a white background, because ComfyUI would show the
 * colours of its transparent pixels. Throws validation_failed, invalid_image, storage_failed.
 */
export async function preparePictures(task: Task, workflow: Workflow, sent: SentPictures): Promise<SentFile[]> {
  const { pictures, mask, maskAs } = sent;
  const first = pictures[0]?.file;
  const prepared = async (file: SentFile): Promise<SentFile> => {
    if (maskAs !== 'transparency' || file !== first) return converted(task, onWhite, file);
    if (mask === undefined) return file;
    const made = await converted(task, withTransparencyOf, mask, file);
    if (made === mask) throw invalidField(MASK, OPAQUE);
    return made;
  };
  const files: SentFile[] = [];
  for (const { input, file } of pictures) files.push({ ...(await prepared(file)), field: input });
  const needsMask = workflow.inputs.some((input) => input.name === MASK && isNeeded(input));
  const maskSource = mask ?? (needsMask ? first : undefined);
  if (maskAs === 'input' && maskSource !== undefined) {
    const made = await converted(task, maskOf, maskSource);
    if (made === maskSource) throw invalidField(MASK, mask === undefined ? MASKLESS : OPAQUE);
    files.push({ ...made, field: MASK });
  }
  return files;
}

type Make = (first: Buffer, ...others: Buffer[]) => Promise<Buffer | undefined>;

/** Makes a new file from others; returns the first file if `make` returns undefined. */
async function converted({ deps, request }: Task, make: Make, first: SentFile, ...others: SentFile[]) {
  const { signal, holds } = request;
  const caller = request.caller;
  const { field, filename } = first;
  const pointer = `/${field}`;
  const read = async ({ field, file }: SentFile) => {
    const data = await readStored(deps.inputs, file.name, signal);
    if (data === undefined) throw new FleetError('validation_failed', `${field} was deleted; send it again.`);
    return data;
  };
  const made = await deps.decoding(caller.id, async () => {
    signal.throwIfAborted();
    const data = [await read(first), ...(await Promise.all(others.map(read)))] as const;
    return make(...data).catch((cause: unknown) => {
      throw invalidImage(pointer, 'The picture cannot be decoded: it is damaged or incomplete.', cause);
    });
  });
  if (made === undefined) return first;
  const about = { caller, filename, pointer, isSent: false, holds, signal };
  return { field, filename, file: await keepFile(deps, Readable.from(pieces(made)), about) };
}

/** The picture as a PNG on a white background; undefined if it has no transparency. */
export async function onWhite(picture: Buffer): Promise<Buffer | undefined> {
  if (!(await hasAlpha(picture))) return undefined;
  return (await opened(picture)).flatten({ background: '#ffffff' }).png().toBuffer();
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

/** Opens a picture without a pixel limit, because its type and size were checked when it arrived. */
async function opened(picture: Buffer): Promise<Sharp> {
  const options = { failOn: 'error', limitInputPixels: false, pages: 1 } as const;
  const sharp = await loadSharp();
  return sharp(picture, options).timeout({ seconds: DECODE_SECONDS }).autoOrient();
}

async function hasAlpha(picture: Buffer): Promise<boolean> {
  const sharp = await loadSharp();
  return (await sharp(picture, { limitInputPixels: false }).metadata()).hasAlpha;
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
