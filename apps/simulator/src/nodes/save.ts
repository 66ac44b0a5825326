import type { JsonObject } from '../json/values.js';
import { writeJson } from '../json/write.js';
import { encodePng } from '../png.js';
import { writeFiles } from './files.js';
import type { NodeContext, NodeInputs, NodeResult, NodeRunner } from './node.js';
import type { Images } from './values.js';

async function save(inputs: NodeInputs, context: NodeContext): Promise<NodeResult> {
  const images = inputs.get('images', 'images');
  return shown(images, await writePictures(images, inputs.text('filename_prefix', 'ComfyUI'), context), context);
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
