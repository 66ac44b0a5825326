import { drawLatent } from '../drawing/draw.js';
import { NodeError } from '../executor/node-error.js';
import type { NodeInputs, NodeRunner } from './node.js';
import type { Latent } from './values.js';

/** A latent cell covers 8 by 8 pixels. */
const toCells = (pixels: number) => Math.max(8, Math.floor(pixels / 8) * 8);

const empty = (inputs: NodeInputs) => {
  const latent: Latent = {
    kind: 'latent',
    width: toCells(inputs.number('width', 512)),
    height: toCells(inputs.number('height', 512)),
    batch: inputs.number('batch_size', 1),
    content: { kind: 'empty' },
  };
  return { outputs: [latent] };
};

const encode: NodeRunner = (inputs) => {
  const images = inputs.get('pixels', 'images');
  if (images.width < 8 || images.height < 8) {
    const cells = `(${Math.floor(images.height / 2)} x ${Math.floor(images.width / 2)})`;
    throw new NodeError(
      'RuntimeError',
      `Calculated padded input size per channel: ${cells}. Kernel size: (3 x 3). Kernel size can't be greater than actual input size`,
      ['<COMFYUI>/nodes.py:343 encode', '<COMFYUI>/comfy/sd.py:763 encode'],
    );
  }
  const latent: Latent = {
    kind: 'latent',
    width: toCells(images.width),
    height: toCells(images.height),
    batch: images.frames.length,
    content: { kind: 'pixels', images },
  };
  return { outputs: [latent] };
};

const decode: NodeRunner = async (inputs) => {
  const latent = inputs.get('samples', 'latent');
  const frames: Buffer[] = [];
  for (let index = 0; index < latent.batch; index++) frames.push(await drawLatent(latent, index));
  return { outputs: [{ kind: 'images', width: latent.width, height: latent.height, frames }] };
};

const resize = (inputs: NodeInputs) => {
  const latent = inputs.get('samples', 'latent');
  const factor = inputs.number('scale_by', 0);
  const ratio = latent.width / latent.height;
  const [width, height] = [inputs.number('width'), inputs.number('height')];
  const wanted =
    factor > 0 ? [latent.width * factor, latent.height * factor] : [width || height * ratio, height || width / ratio];
  const [w = 0, h = 0] = wanted;
  const size = w > 0 && h > 0 ? { width: toCells(Math.round(w)), height: toCells(Math.round(h)) } : {};
  return { outputs: [{ ...latent, ...size }] };
};

export const latents: Record<string, NodeRunner> = {
  EmptyLatentImage: empty,
  EmptySD3LatentImage: empty,
  VAEEncode: encode,
  VAEEncodeForInpaint: encode,
  VAEDecode: decode,
  LatentUpscale: resize,
  LatentUpscaleBy: resize,
  RepeatLatentBatch: (inputs) => {
    const latent = inputs.get('samples', 'latent');
    return { outputs: [{ ...latent, batch: latent.batch * inputs.number('amount', 1) }] };
  },
};
