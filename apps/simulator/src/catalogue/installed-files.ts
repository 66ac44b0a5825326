import { readdirSync } from 'node:fs';
import { extname, join } from 'node:path';
import type { JsonObject } from '../python.js';
import type { SimulatorSettings } from '../settings.js';
import type { ModelsFolder } from './models-folder.js';

/**
 * The folder whose model files an input of this name offers; `Class.input` where the name alone is ambiguous.
 */
const MODEL_FOLDERS: Readonly<Record<string, string>> = {
  ckpt_name: 'checkpoints',
  lora_name: 'loras',
  vae_name: 'vae',
  control_net_name: 'controlnet',
  unet_name: 'diffusion_models',
  clip_name: 'text_encoders',
  clip_name1: 'text_encoders',
  clip_name2: 'text_encoders',
  clip_name3: 'text_encoders',
  clip_name4: 'text_encoders',
  text_encoder: 'text_encoders',
  style_model_name: 'style_models',
  gligen_name: 'gligen',
  hypernetwork_name: 'hypernetworks',
  photomaker_model_name: 'photomaker',
  audio_encoder_name: 'audio_encoders',
  bg_removal_name: 'background_removal',
  'CLIPVisionLoader.clip_name': 'clip_vision',
  'DiffusersLoader.model_path': 'diffusers',
  'UpscaleModelLoader.model_name': 'upscale_models',
  'LatentUpscaleModelLoader.model_name': 'latent_upscale_models',
  'FrameInterpolationModelLoader.model_name': 'frame_interpolation',
  'OpticalFlowLoader.model_name': 'optical_flow',
  'LoadMoGeModel.model_name': 'geometry_estimation',
  'LoadDA3Model.model_name': 'geometry_estimation',
  'LoadMediaPipeFaceLandmarker.model_name': 'detection',
  'ModelPatchLoader.name': 'model_patches',
};

const PICTURES = ['.png', '.jpg', '.jpeg', '.webp', '.gif', '.bmp', '.svg', '.tif', '.tiff', '.ico'];
const VIDEOS = ['.mp4', '.webm', '.mkv', '.mov', '.avi'];
const SOUNDS = ['.flac', '.wav', '.mp3', '.ogg', '.opus', '.m4a', '.aac'];
const MODELS_3D = ['.glb', '.gltf', '.obj', '.fbx', '.stl', '.ply', '.splat', '.spz', '.ksplat'];

export function modelFolder(classType: string, input: string): string | undefined {
  return MODEL_FOLDERS[`${classType}.${input}`] ?? MODEL_FOLDERS[input];
}

/** The model files that the settings name for a folder; these need not exist. */
export function namedModels(folder: string, settings: SimulatorSettings): readonly string[] {
  const own: Record<string, readonly string[]> = {
    checkpoints: settings.checkpoints,
    loras: settings.loras,
    vae: settings.vaes,
    controlnet: settings.controlnets,
    diffusion_models: settings.diffusionModels,
    text_encoders: settings.textEncoders,
  };
  return own[folder] ?? settings.modelFiles[folder] ?? [];
}

/** The names of the installed model files of a folder, as /models/{folder} lists them. */
export function modelsIn(folder: string, { settings, models }: Installed): readonly string[] {
  const named = namedModels(folder, settings);
  return [...named, ...models.list(folder).filter((file) => !named.includes(file))];
}

/** Where files may be installed. */
export interface Installed {
  readonly settings: SimulatorSettings;
  readonly models: ModelsFolder;
  readonly inputDir: string;
}

/** Whether a class, given as JSON, may have an input whose choices depend on installed files. */
export function mayListFiles(classType: string, text: string): boolean {
  return NAMES.test(text) || classType === 'LoadLatent';
}
const inputNames = [...new Set(Object.keys(MODEL_FOLDERS).map((key) => key.split('.').at(-1)))];
const NAMES = new RegExp(`"(${inputNames.join('|')})": \\[|_upload": true`);

/** The files that an input offers; undefined if its choices do not depend on installed files. */
export function fileChoices(
  classType: string,
  input: string,
  options: JsonObject,
  installed: Installed,
): string[] | undefined {
  const { settings, inputDir } = installed;
  const folder = modelFolder(classType, input);
  if (folder !== undefined) return [...modelsIn(folder, installed), ...(folder === 'vae' ? ['pixel_space'] : [])];
  if (options.image_upload === true) return filesIn(inputDir, PICTURES);
  if (options.audio_upload === true) return filesIn(inputDir, [...SOUNDS, ...VIDEOS]);
  if (options.video_upload === true) return filesIn(inputDir, VIDEOS);
  if (classType === 'LoadLatent' && input === 'latent') return filesIn(inputDir, ['.latent']);
  if (options.file_upload !== true) return undefined;
  const none = settings.version === '0.33.0' ? ['none'] : [];
  return [...none, ...filesIn(join(inputDir, '3d'), MODELS_3D).map((name) => `3d/${name}`)];
}

function filesIn(folder: string, extensions: readonly string[]): string[] {
  try {
    const files = readdirSync(folder, { withFileTypes: true }).filter((entry) => entry.isFile());
    const names = files.map((entry) => entry.name);
    return names.filter((name) => extensions.includes(extname(name).toLowerCase())).sort();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return []; // the first upload creates input/3d
    throw error;
  }
}
