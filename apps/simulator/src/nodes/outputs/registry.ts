import { makeValue } from '../made-values.js';
import { writePictures, writePreviews } from '../save.js';
import type { Images } from '../values.js';
import { animations } from './animations.js';
import { models3d } from './models-3d.js';
import { sounds } from './sounds.js';
import { texts } from './texts.js';
import { weightFiles } from './weights.js';
import type { OutputWriter } from './writer.js';

/** Pictures that came, or one drawn where something else did. */
const pictures: OutputWriter = async (maker, context) => {
  const images = (await makeValue('IMAGE', '', 0, maker)) as Images;
  return { images: await writePreviews(images, context) };
};

const comparison: OutputWriter = async ({ inputs }, context) => {
  const side = async (name: string) => {
    const images = inputs.find(name, 'images');
    return images === undefined ? [] : writePreviews(images, context);
  };
  return { a_images: await side('image_a'), b_images: await side('image_b') };
};

/** What each output node writes and shows, under the key under which ComfyUI lists it. */
export const outputWriters: Readonly<Record<string, OutputWriter>> = {
  ...animations,
  ...sounds,
  ...models3d,
  ...texts,
  ...weightFiles,
  SaveImageAdvanced: async ({ inputs }, context) => ({
    images: await writePictures(inputs.get('images', 'images'), inputs.text('filename_prefix'), context),
  }),
  MaskPreview: pictures,
  LossGraphNode: pictures,
  ImageCompositor: pictures,
  ImageCompare: comparison,
};

/** An output node of no known kind shows the pictures that came to it, and nothing else. */
export const writeWhatCame: OutputWriter = async (maker, context) =>
  maker.inputs.arrived.some(({ kind }) => kind === 'images') ? pictures(maker, context) : undefined;
