import { animatedPng, animatedWebp } from '../../media/animation.js';
import { type Clip, clip } from '../../media/clips.js';
import type { NodeInputs } from '../node.js';
import { noteOf, type OutputWriter, writeOne } from './writer.js';

const fps = (inputs: NodeInputs) => Math.max(0.01, inputs.number('fps', 6));

/** ComfyUI lists videos among the pictures, and says that they move. */
const video =
  (container: (inputs: NodeInputs) => string): OutputWriter =>
  async (maker, context) => {
    const extension = container(maker.inputs);
    const make = () => clip(`clip${extension}` as Clip, JSON.stringify(noteOf(maker, context)));
    return { images: await writeOne(maker, context, extension, make), animated: [true] };
  };

const CONTAINERS: Readonly<Record<string, string>> = { webm: '.webm', mkv: '.mkv' };

export const animations: Record<string, OutputWriter> = {
  SaveAnimatedWEBP: async (maker, context) => {
    const images = maker.inputs.get('images', 'images');
    const entries = await writeOne(maker, context, '.webp', () => animatedWebp(images, fps(maker.inputs)));
    return { images: entries, animated: [images.frames.length > 1] };
  },
  SaveAnimatedPNG: async (maker, context) => {
    const images = maker.inputs.get('images', 'images');
    const entries = await writeOne(maker, context, '.png', () => animatedPng(images, fps(maker.inputs)));
    return { images: entries, animated: [true] };
  },
  SaveWEBM: video(() => '.webm'),
  SaveVideo: video((inputs) => CONTAINERS[inputs.text('format')] ?? '.mp4'),
  SAM3_TrackPreview: async (maker, context) => {
    const make = () => clip('clip.mp4', JSON.stringify(noteOf(maker, context)));
    return { images: await writeOne(maker, context, '.mp4', make, 'temp'), animated: [true] };
  },
};
