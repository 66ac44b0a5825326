import type { PictureKind } from '@comfy-fleet/contracts';
import type { Files } from './folder.js';

/** A workflow that can be loaded, and where its parameters stand: `<node>.<input>`, several separated by spaces. */
export interface Loadable {
  readonly fixture: string;
  readonly what: string;
  readonly kind: PictureKind;
  readonly files?: Files;
  readonly places: Readonly<Record<string, string>>;
}

/** The places in a graph whose KSampler (or the like) has all of its parameters. */
const sampler = (id: string, seed = 'seed') => ({
  seed: `${id}.${seed}`,
  steps: `${id}.steps`,
  cfg: `${id}.cfg`,
  sampler_name: `${id}.sampler_name`,
  scheduler: `${id}.scheduler`,
  denoise: seed === 'seed' ? `${id}.denoise` : `${id}.start_at_step`,
});

const latent = (id: string) => ({ width: `${id}.width`, height: `${id}.height`, count: `${id}.batch_size` });

const plainTexts = { prompt: '2.text', negative_prompt: '3.text', checkpoint: '1.ckpt_name' };

export const LOADABLE: readonly Loadable[] = [
  {
    fixture: 'sdxl-lora',
    what: 'SDXL with a chain of LoRAs and two-text encoders',
    kind: 'text2img',
    places: {
      ...sampler('3'),
      prompt: '6.text_g 6.text_l',
      negative_prompt: '7.text_g 7.text_l',
      width: '5.width 6.target_width 6.width 7.target_width',
      height: '5.height 6.height 6.target_height 7.target_height',
      count: '5.batch_size',
      checkpoint: '4.ckpt_name',
    },
  },
  {
    fixture: 'controlnet',
    what: 'two ControlNets in the conditioning',
    kind: 'text2img',
    places: {
      ...sampler('10'),
      ...plainTexts,
      ...latent('9'),
      width: '5.width 9.width',
      height: '5.height 9.height',
    },
  },
  {
    fixture: 'ksampler-advanced',
    what: 'KSamplerAdvanced with its seed, text and width in primitive nodes',
    kind: 'text2img',
    places: {
      ...sampler('5', 'noise_seed'),
      ...plainTexts,
      ...latent('4'),
      prompt: '21.value',
      seed: '20.value 5.noise_seed',
      width: '22.value',
    },
  },
  {
    fixture: 'base-refiner',
    what: 'a base and a refiner, told apart by a bindings file',
    kind: 'text2img',
    files: { 'text2img.bindings.json': { fixture: 'base-refiner.bindings' } },
    places: {
      prompt: '3.text 5.text',
      negative_prompt: '4.text 6.text',
      seed: '8.noise_seed',
      steps: '8.steps 9.steps',
      cfg: '8.cfg 9.cfg',
      sampler_name: '8.sampler_name 9.sampler_name',
      scheduler: '8.scheduler 9.scheduler',
      width: '5.width 6.width 7.width',
      height: '5.height 6.height 7.height',
      count: '7.batch_size',
      checkpoint: '1.ckpt_name',
    },
  },
  {
    fixture: 'flux-dev',
    what: 'Flux with SamplerCustomAdvanced, BasicGuider and FluxGuidance',
    kind: 'text2img',
    places: {
      prompt: '6.text',
      seed: '25.noise_seed',
      steps: '17.steps',
      cfg: '26.guidance',
      sampler_name: '16.sampler_name',
      scheduler: '17.scheduler',
      denoise: '17.denoise',
      width: '27.width 30.width',
      height: '27.height 30.height',
      count: '27.batch_size',
      checkpoint: '12.unet_name',
    },
  },
  {
    fixture: 'flux-ksampler',
    what: 'Flux with KSampler, CLIPTextEncodeFlux and a zeroed negative',
    kind: 'text2img',
    places: {
      ...sampler('7'),
      ...latent('6'),
      prompt: '4.clip_l 4.t5xxl',
      cfg: '4.guidance',
      checkpoint: '1.unet_name',
    },
  },
  {
    fixture: 'cfg-guider',
    what: 'SamplerCustomAdvanced with CFGGuider and split sigmas',
    kind: 'text2img',
    places: {
      ...plainTexts,
      ...latent('4'),
      seed: '6.noise_seed',
      steps: '8.steps',
      cfg: '5.cfg',
      sampler_name: '7.sampler_name',
      scheduler: '8.scheduler',
      denoise: '8.denoise',
    },
  },
  {
    fixture: 'sampler-custom',
    what: 'SamplerCustom with a scheduler node that has no choice of scheduler',
    kind: 'text2img',
    places: {
      ...plainTexts,
      ...latent('4'),
      seed: '10.noise_seed',
      steps: '8.steps',
      cfg: '10.cfg',
      sampler_name: '7.sampler_name',
    },
  },
  {
    fixture: 'sd3',
    what: 'SD3 with TripleCLIPLoader and a negative that is zeroed after a tenth',
    kind: 'text2img',
    places: {
      ...sampler('271'),
      ...latent('135'),
      prompt: '6.clip_g 6.clip_l 6.t5xxl',
      negative_prompt: '71.text',
      checkpoint: '252.ckpt_name',
    },
  },
  {
    fixture: 'renumbered',
    what: 'ids of subgraphs, equal titles, a reroute, the nodes in any order',
    kind: 'text2img',
    places: {
      ...sampler('12:3'),
      ...latent('999'),
      prompt: '12:2.text',
      negative_prompt: '12:1.text',
      checkpoint: 'loader.ckpt_name',
    },
  },
  {
    fixture: 'two-saves',
    what: 'two save nodes and a preview behind one decode',
    kind: 'text2img',
    places: { ...sampler('5'), ...plainTexts, ...latent('4') },
  },
  {
    fixture: 'batch',
    what: 'a batch of four saved in the template',
    kind: 'text2img',
    places: { ...sampler('5'), ...plainTexts, ...latent('4') },
  },
  {
    fixture: 'img2img-advanced',
    what: 'img2img with KSamplerAdvanced',
    kind: 'img2img',
    places: {
      ...sampler('5', 'noise_seed'),
      ...plainTexts,
      width: '7.width',
      height: '7.height',
      image: '6.image',
    },
  },
  {
    fixture: 'img2img-inpaint',
    what: 'inpainting at the size of the picture, repeated for a batch',
    kind: 'img2img',
    places: { ...sampler('5'), ...plainTexts, count: '8.amount', image: '6.image' },
  },
];
