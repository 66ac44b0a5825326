import type { Deps } from '../../../deps.js';
import { graphPool } from '../../../orders/graph-spec.js';
import { isRecord } from '../../../server/is-record.js';
import type { Handler } from '../../../server/messages.js';
import { shownClass } from './shown-class.js';

/** ComfyUI's folders of models, each with a node that lists what is in it; null: none of ComfyUI's own does. */
const FOLDERS: Readonly<Record<string, readonly [className: string, input: string] | null>> = {
  checkpoints: ['CheckpointLoaderSimple', 'ckpt_name'],
  configs: ['CheckpointLoader', 'config_name'],
  loras: ['LoraLoader', 'lora_name'],
  vae: ['VAELoader', 'vae_name'],
  text_encoders: ['CLIPLoader', 'clip_name'],
  diffusion_models: ['UNETLoader', 'unet_name'],
  clip_vision: ['CLIPVisionLoader', 'clip_name'],
  style_models: ['StyleModelLoader', 'style_model_name'],
  embeddings: null,
  diffusers: ['DiffusersLoader', 'model_path'],
  vae_approx: null,
  controlnet: ['ControlNetLoader', 'control_net_name'],
  gligen: ['GLIGENLoader', 'gligen_name'],
  upscale_models: ['UpscaleModelLoader', 'model_name'],
  hypernetworks: ['HypernetworkLoader', 'hypernetwork_name'],
  photomaker: ['PhotoMakerLoader', 'photomaker_model_name'],
  model_patches: ['ModelPatchLoader', 'name'],
  audio_encoders: ['AudioEncoderLoader', 'audio_encoder_name'],
};

/** What ComfyUI takes for a file with a model (folder_paths.py, supported_pt_extensions). */
const MODEL_FILE = /\.(ckpt|pt|pt2|bin|pth|safetensors|pkl|sft)$/i;

export function modelFolders(): Handler {
  return () => ({ status: 200, body: Object.keys(FOLDERS) });
}

/** Names of the models that any instance has in a folder; 404 for a folder that ComfyUI does not have. */
export function modelsIn(deps: Deps): Handler {
  return async ({ params: { folder = '' } }) => {
    const listing = Object.hasOwn(FOLDERS, folder) ? FOLDERS[folder] : undefined;
    if (listing === undefined) return { status: 404 };
    if (listing === null) return { status: 200, body: [] };
    const [className, input] = listing;
    const catalogue = await deps.ledger.fleet.catalogue(graphPool(deps), [className]);
    const listed = choices(catalogue?.[className], input);
    // The loader of VAEs also offers some that need no file, such as pixel_space.
    return { status: 200, body: folder === 'vae' ? listed.filter((name) => MODEL_FILE.test(`${name}`)) : listed };
  };
}

function choices(description: unknown, input: string): readonly unknown[] {
  const shown = shownClass(description, []);
  const inputs = isRecord(shown) && isRecord(shown.input) && isRecord(shown.input.required) ? shown.input.required : {};
  const described = inputs[input];
  const [options] = Array.isArray(described) ? (described as unknown[]) : [];
  return Array.isArray(options) ? options : [];
}
