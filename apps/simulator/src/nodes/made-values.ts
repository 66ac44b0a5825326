import { pythonText } from '@comfy-fleet/workflows';
import { drawLatent } from '../drawing/draw.js';
import { Float, type Json, toNumber } from '../python.js';
import type { NodeInputs } from './node.js';
import type { Conditioning, Images, Latent, NodeValue, Painting } from './values.js';

/** A node that is known only by its signature. */
export interface Maker {
  readonly classType: string;
  readonly inputs: NodeInputs;
  readonly mark: string;
}

const OPAQUE = { VAE: 'vae', CONTROL_NET: 'controlnet', MASK: 'mask' } as const;
const DEFAULT_SIDE = 512;
const LARGEST_SIDE = 2048;
/** How many frames of a video are drawn: enough for it to move, few enough to be quick. */
const MOST_FRAMES = 4;
/** The side of a latent cell in pixels. */
const CELL = 8;

/** A value of `type` for the output `name`, the `nth` of its type: the linked value of that type, or a new one. */
export async function makeValue(type: Json, name: string, nth: number, maker: Maker): Promise<NodeValue> {
  const { inputs, classType } = maker;
  switch (type) {
    case 'IMAGE':
      return arrived(inputs, 'images', nth) ?? draw(maker);
    case 'LATENT':
      return arrived(inputs, 'latent', nth) ?? paint(maker);
    case 'CONDITIONING':
      return arrived(inputs, 'conditioning', nth) ?? { kind: 'conditioning', texts: textsOf(inputs) };
    case 'MODEL':
      return arrived(inputs, 'model', nth) ?? { kind: 'model', name: firstText(inputs) ?? classType, loras: [] };
    case 'CLIP':
      return arrived(inputs, 'clip', nth) ?? { kind: 'clip', files: [] };
    case 'VAE':
    case 'CONTROL_NET':
    case 'MASK':
      return { kind: OPAQUE[type] };
    case 'SIGMAS':
      return arrived(inputs, 'sigmas', nth) ?? sigmas(maker);
    case 'SAMPLER':
      return arrived(inputs, 'sampler', nth) ?? { kind: 'sampler', name: classType };
    case 'NOISE':
      return { kind: 'noise', seed: inputs.digits('noise_seed') };
    case 'GUIDER':
      return guider(maker);
    case 'INT':
    case 'FLOAT':
    case 'STRING':
    case 'BOOLEAN':
    case 'COMBO':
      return { kind: 'primitive', value: primitive(type, name, inputs) };
    default:
      return passedOn(type, maker);
  }
}

function arrived<K extends NodeValue['kind']>(inputs: NodeInputs, kind: K, nth: number) {
  const found = inputs.linkedValues.filter((value): value is Extract<NodeValue, { kind: K }> => value.kind === kind);
  return found[Math.min(nth, found.length - 1)];
}

/** For the type `*` and for types that the simulator does not interpret. */
function passedOn(type: Json, { inputs, mark }: Maker): NodeValue {
  const wanted = pythonText(type);
  const isAny = wanted === '*' || wanted.startsWith('COMFY_MATCHTYPE');
  const same = inputs.linkedValues.find((value) => isAny || (value.kind === 'other' && value.type === wanted));
  if (same !== undefined) return same;
  const [first] = inputs.widgetValues;
  return isAny && first !== undefined ? { kind: 'primitive', value: first[1] } : { kind: 'other', type: wanted, mark };
}

async function draw(maker: Maker): Promise<Images> {
  const latent = arrived(maker.inputs, 'latent', 0) ?? paint(maker);
  const { width, height, batch } = latent;
  const frames: Buffer[] = [];
  for (let index = 0; index < batch; index++) frames.push(await drawLatent(latent, index));
  return { kind: 'images', width, height, frames };
}

/** A latent in the size of the widgets or of the linked pictures, painted from the node's texts. */
function paint({ inputs, mark, classType }: Maker): Latent {
  const images = arrived(inputs, 'images', 0);
  const side = (name: 'width' | 'height') => {
    const asked = inputs.number(name) || images?.[name] || DEFAULT_SIDE;
    return Math.floor(Math.min(LARGEST_SIDE, Math.max(CELL, asked)) / CELL) * CELL;
  };
  const [width, height] = [side('width'), side('height')];
  const texts = textsOf(inputs);
  const batch = Math.max(
    1,
    Math.min(MOST_FRAMES, inputs.number('length', inputs.number('video_frames', 1)) * inputs.number('batch_size', 1)),
  );
  const latent = { kind: 'latent', width, height, batch } as const;
  if (images !== undefined) return { ...latent, content: { kind: 'pixels', images } };
  if (/^Empty/.test(classType)) return { ...latent, content: { kind: 'empty' } };
  const painting: Painting = {
    seed: String(BigInt(`0x${mark.slice(0, 12)}`)),
    steps: 20,
    denoise: 1,
    cfg: 5,
    positive: texts.join(', '),
    negative: '',
    style: classType,
  };
  return { ...latent, content: { kind: 'painted', under: { kind: 'empty' }, painting } };
}

function sigmas({ inputs, classType }: Maker): NodeValue {
  const steps = Math.max(1, Math.round(inputs.number('steps', 20)));
  return {
    kind: 'sigmas',
    scheduler: inputs.text('scheduler', classType),
    steps,
    denoise: inputs.number('denoise', 1),
  };
}

function guider({ inputs, classType }: Maker): NodeValue {
  const passed = arrived(inputs, 'guider', 0);
  if (passed !== undefined) return passed;
  const none: Conditioning = { kind: 'conditioning', texts: [] };
  return {
    kind: 'guider',
    model: arrived(inputs, 'model', 0) ?? { kind: 'model', name: classType, loras: [] },
    positive: inputs.find('positive', 'conditioning') ?? arrived(inputs, 'conditioning', 0) ?? none,
    negative: inputs.find('negative', 'conditioning'),
    cfg: inputs.number('cfg', 1),
  };
}

function primitive(type: string, name: string, inputs: NodeInputs): Json {
  const images = arrived(inputs, 'images', 0);
  if (images !== undefined && (name === 'width' || name === 'height')) return images[name];
  const passed = arrived(inputs, 'primitive', 0)?.value;
  const value =
    inputs.widgetValues.find(([widget]) => widget === 'value')?.[1] ?? inputs.widgetValues[0]?.[1] ?? passed ?? 0;
  // a seed stays exact
  if (type === 'INT') return typeof value === 'bigint' ? value : Math.trunc(toNumber(value));
  if (type === 'FLOAT') return new Float(toNumber(value));
  return type === 'BOOLEAN' ? value === true : pythonText(passed ?? value);
}

function textsOf(inputs: NodeInputs): string[] {
  const widgets = inputs.widgetValues.filter(([name]) => /text|prompt|tags|lyrics|caption/.test(name));
  const linked = inputs.linkedValues.map((value) => (value.kind === 'primitive' ? value.value : null));
  const texts = [...widgets.map(([, value]) => value), ...linked];
  return texts.filter((text): text is string => typeof text === 'string' && text.trim() !== '');
}

function firstText(inputs: NodeInputs): string | undefined {
  return inputs.widgetValues.map(([, value]) => value).find((value): value is string => typeof value === 'string');
}
