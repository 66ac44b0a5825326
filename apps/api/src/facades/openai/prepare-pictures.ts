import { Readable } from 'node:stream';
import { FleetError } from '@comfy-fleet/contracts';
import type { Workflow } from '@comfy-fleet/workflows';
import type { Sharp } from 'sharp';
import { keepFile } from '../../files/keep-file.js';
import { invalidImage, pieces } from '../../files/picture-bytes.js';
import { loadSharp, readStored } from '../../files/stored-picture.js';
import type { SentFile } from '../../server/messages.js';
import { invalidParam } from './dialect.js';
import type { Task } from './images-request.js';
import { isNeeded, MASK } from './models.js';
import type { SentPictures } from './sent-pictures.js';

const OPAQUE = 'must have transparent parts: those are to be changed';
const MASKLESS = 'is required, unless the picture has transparent parts: those are to be changed';
/** Longer than decoding the largest picture takes on a slow machine. */
const DECODE_SECONDS = 30;
/** The index of the channel after red, green and blue. */
const ALPHA = 3;

/**
 * The pictures of an edit, as files named by the inputs that they are for. The workflow gets the transparency of the mask as
 * its mask. A picture whose own transparency is not used gets a white ground, since ComfyUI would show what lies beneath.
 * Throws validation_failed, invalid_image, storage_failed.
 */
export async function preparePictures(task: Task, workflow: Workflow, sent: SentPictures): Promise<SentFile[]> {
  const { pictures, mask, maskAs } = sent;
  const first = pictures[0]?.file;
  const prepared = async (file: SentFile): Promise<SentFile> => {
    if (maskAs !== 'transparency' || file !== first) return converted(task, onWhite, file);
    if (mask === undefined) return file;
    const made = await converted(task, withTransparencyOf, mask, file);
    if (made === mask) throw invalidParam(MASK, OPAQUE);
    return made;
  };
  const files: SentFile[] = [];
  for (const { input, file } of pictures) files.push({ ...(await prepared(file)), field: input });
  const needsMask = workflow.inputs.some((input) => input.name === MASK && isNeeded(input));
  const maskSource = mask ?? (needsMask ? first : undefined);
  if (maskAs === 'input' && maskSource !== undefined) {
    const made = await converted(task, maskOf, maskSource);
    if (made === maskSource) throw invalidParam(MASK, mask === undefined ? MASKLESS : OPAQUE);
    files.push({ ...made, field: MASK });
  }
  return files;
}

type Make = (first: Buffer, ...others: Buffer[]) => Promise<Buffer | undefined>;

/** Makes a file of others; returns the first of them if there is nothing to make. */
async function converted({ deps, request }: Task, make: Make, first: SentFile, ...others: SentFile[]) {
  const { signal, holds } = request;
  const caller = request.caller;
  const { field, filename } = first;
  const pointer = `/${field}`;
  const read = async ({ field, file }: SentFile) => {
    const data = await readStored(deps.inputs, file.name, signal);
    if (data === undefined) throw new FleetError('validation_failed', `${field} is no longer there; send it again.`);
    return data;
  };
  const made = await deps.decoding(caller.id, async () => {
    signal.throwIfAborted();
    const data = [await read(first), ...(await Promise.all(others.map(read)))] as const;
    return make(...data).catch((cause: unknown) => {
      throw invalidImage(pointer, 'The picture cannot be decoded: it is damaged or not whole.', cause);
    });
  });
  if (made === undefined) return first;
  const about = { caller, filename, pointer, isSent: false, holds, signal };
  return { field, filename, file: await keepFile(deps, Readable.from(pieces(made)), about) };
}

/** The picture as a PNG on a white ground; undefined if nothing of it is transparent. */
export async function onWhite(picture: Buffer): Promise<Buffer | undefined> {
  if (!(await hasAlpha(picture))) return undefined;
  return (await opened(picture)).flatten({ background: '#ffffff' }).png().toBuffer();
}

/**
 * A mask from a picture whose transparent parts are to be changed: a PNG in which they are transparent and white, and
 * everything else is black. ComfyUI's loaders make the same mask of its transparency and of each of its colours. Undefined
 * if nothing is transparent.
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

/** The type of the picture, and the number of its pixels, were checked when it arrived. */
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

/** The result of a pipeline. Sharp runs the steps of one pipeline in its own order, so some need pipelines of their own. */
function pixelsOf(picture: Sharp) {
  return picture.raw({ depth: 'uchar' }).toBuffer({ resolveWithObject: true });
}

/** Colours with an alpha channel of the same size, as a PNG. */
async function joinAlpha(colours: Pixels, alpha: Pixels): Promise<Buffer> {
  const sharp = await loadSharp();
  return sharp(colours.data, { raw: colours.info }).joinChannel(alpha.data, { raw: alpha.info }).png().toBuffer();
}
