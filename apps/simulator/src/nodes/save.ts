import { mkdir, readdir, writeFile } from 'node:fs/promises';
import { basename, dirname, join, normalize, resolve } from 'node:path';
import { NodeError } from '../executor/node-error.js';
import { isInside } from '../folders.js';
import { encodePng } from '../media/png.js';
import { type JsonObject, writeJson } from '../python.js';
import type { ComfyVersion } from '../settings.js';
import type { NodeContext, NodeInputs, NodeResult, NodeRunner } from './node.js';
import type { Images } from './values.js';

async function save(inputs: NodeInputs, context: NodeContext): Promise<NodeResult> {
  const images = inputs.get('images', 'images');
  const prefix = inputs.text('filename_prefix', 'ComfyUI');
  const entries = await context.saving('png', images, () => writePictures(images, prefix, context));
  return shown(images, entries, context);
}

async function preview(inputs: NodeInputs, context: NodeContext): Promise<NodeResult> {
  const images = inputs.get('images', 'images');
  return shown(images, await writePreviews(images, context), context);
}

function shown(images: Images, entries: JsonObject[], { version }: NodeContext): NodeResult {
  return { outputs: version === '0.33.0' ? [images] : [], ui: { images: entries } };
}

export function writePreviews(images: Images, context: NodeContext): Promise<JsonObject[]> {
  return writePictures(images, `ComfyUI_temp_${context.tempMark}`, context, 'temp');
}

/** A PNG for each picture, with the prompt in it. */
export function writePictures(
  images: Images,
  prefix: string,
  context: NodeContext,
  type: 'output' | 'temp' = 'output',
): Promise<JsonObject[]> {
  const contents = images.frames.map((frame) => () => encode(frame, images, context));
  return writeFiles({ prefix, type, extension: '.png', size: images, contents }, context);
}

function encode(frame: Buffer, size: Images, context: NodeContext): Promise<Buffer> {
  return encodePng(
    frame,
    size,
    [...context.pngText()].map(([key, value]) => [key, writeJson(value)] as const),
  );
}

export const saving: Record<string, NodeRunner> = { SaveImage: save, PreviewImage: preview };

export interface FilesToWrite {
  readonly prefix: string;
  readonly type: 'output' | 'temp';
  /** With its dot. */
  readonly extension: string;
  /** The size of the pictures, for %width% and %height%; 0 for other files. */
  readonly size: { readonly width: number; readonly height: number };
  /** They are called one after the other. */
  readonly contents: readonly (() => Buffer | Promise<Buffer>)[];
}

/**
 * Writes files with the next numbers of their prefix, and returns them as an output node lists them. Throws a
 * NodeError.
 */
export async function writeFiles(files: FilesToWrite, context: NodeContext): Promise<JsonObject[]> {
  const { prefix, type, extension, size, contents } = files;
  const filled = fillIn(prefix, size);
  const target = context.folders[type];
  const subfolder = dirname(normalize(filled)) === '.' ? '' : dirname(normalize(filled));
  const filename = filled === '' ? '.' : basename(normalize(filled));
  const folder = resolve(join(target, subfolder.startsWith('/') ? '' : subfolder));
  if (subfolder.startsWith('/') || !isInside(target, folder)) throw outsideError(subfolder, folder, context);
  let counter = await nextNumber(folder, basename(filled), filename, context.version);
  const entries: JsonObject[] = [];
  for (const [index, make] of contents.entries()) {
    const number = String(counter++).padStart(5, '0');
    const file = `${filename.replaceAll('%batch_num%', String(index))}_${number}_${extension}`;
    await writeFile(join(folder, file), await make()).catch((error: NodeJS.ErrnoException) => {
      throw pythonError(error, `<COMFYUI>/${type}/${join(subfolder, file)}`);
    });
    entries.push({ filename: file, subfolder, type });
  }
  return entries;
}

/** The highest number of that prefix in the folder plus one. Creates the folder if it is missing. */
async function nextNumber(folder: string, base: string, filename: string, version: ComfyVersion): Promise<number> {
  await mkdir(folder, { recursive: true });
  let highest = 0;
  for (const name of await readdir(folder)) {
    if (name.slice(0, base.length + 1) !== `${filename}_`) continue;
    const rest = name.slice(base.length + 1);
    const digits = version === '0.33.0' ? /^\d+/.exec(rest)?.[0] : /^\s*\d+\s*(?=_|$)/.exec(rest)?.[0];
    highest = Math.max(highest, Number(digits ?? 0));
  }
  return highest + 1;
}

function fillIn(prefix: string, { width, height }: FilesToWrite['size']): string {
  if (!prefix.includes('%')) return prefix;
  const now = new Date();
  const two = (value: number) => String(value).padStart(2, '0');
  const values: Record<string, string> = {
    width: String(width),
    height: String(height),
    year: String(now.getFullYear()),
    month: two(now.getMonth() + 1),
    day: two(now.getDate()),
    hour: two(now.getHours()),
    minute: two(now.getMinutes()),
    second: two(now.getSeconds()),
  };
  return prefix.replace(/%(\w+)%/g, (text, name: string) => values[name] ?? text);
}

function outsideError(subfolder: string, folder: string, { folders, version }: NodeContext): NodeError {
  const shown = subfolder.startsWith('/') ? subfolder : folder.replace(folders.root, '<COMFYUI>');
  const lines = [
    '**** ERROR: Saving image outside the output folder is not allowed.',
    ` full_output_folder: ${shown}`,
    '         output_dir: <COMFYUI>/output',
    ...(version === '0.3.64' ? [`         commonpath: ${subfolder.startsWith('/') ? '/' : '<COMFYUI>'}`] : []),
  ];
  return new NodeError('Exception', lines.join('\n'), [
    '<COMFYUI>/nodes.py:1590 save_images',
    '<COMFYUI>/folder_paths.py:397 get_save_image_path',
  ]);
}

function pythonError(error: NodeJS.ErrnoException, shown: string): NodeError {
  const reasons: Record<string, string> = {
    ENAMETOOLONG: '[Errno 36] File name too long',
    ENOSPC: '[Errno 28] No space left on device',
  };
  const reason = reasons[error.code ?? ''] ?? `[Errno ${Math.abs(error.errno ?? 0)}] ${error.code}`;
  return new NodeError('OSError', `${reason}: '${shown}'`, [
    '<COMFYUI>/nodes.py:1606 save_images',
    '<PYTHON-PACKAGES>/PIL/Image.py:2591 save',
  ]);
}
