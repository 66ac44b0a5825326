import { type Abilities, MODEL_KINDS, type ModelKind, modelId } from '@comfy-fleet/contracts';
import { isModelFile } from './graph.js';

/**
 * The inputs of ComfyUI's own classes that list a folder of models, as `Class.input`, and those of ComfyUI-GGUF, which
 * list files that no other class lists. Embeddings are named in texts.
 */
export const MODEL_INPUTS: Readonly<Partial<Record<ModelKind, readonly string[]>>> = {
  checkpoints: [
    'CheckpointLoaderSimple.ckpt_name',
    'CheckpointLoader.ckpt_name',
    'CreateHookModelAsLora.ckpt_name',
    'CreateHookModelAsLoraModelOnly.ckpt_name',
    'ImageOnlyCheckpointLoader.ckpt_name',
    'LTXAVTextEncoderLoader.ckpt_name',
    'LTXVAudioVAELoader.ckpt_name',
    'unCLIPCheckpointLoader.ckpt_name',
  ],
  diffusion_models: ['UNETLoader.unet_name', 'UnetLoaderGGUF.unet_name', 'UnetLoaderGGUFAdvanced.unet_name'],
  loras: [
    'LoraLoader.lora_name',
    'LoraLoaderModelOnly.lora_name',
    'LoraLoaderBypass.lora_name',
    'LoraLoaderBypassModelOnly.lora_name',
    'CreateHookLora.lora_name',
    'CreateHookLoraModelOnly.lora_name',
    'TrainLoraNode.existing_lora',
  ],
  vae: ['VAELoader.vae_name'],
  text_encoders: [
    'CLIPLoader.clip_name',
    'DualCLIPLoader.clip_name1',
    'DualCLIPLoader.clip_name2',
    'TripleCLIPLoader.clip_name1',
    'TripleCLIPLoader.clip_name2',
    'TripleCLIPLoader.clip_name3',
    'QuadrupleCLIPLoader.clip_name1',
    'QuadrupleCLIPLoader.clip_name2',
    'QuadrupleCLIPLoader.clip_name3',
    'QuadrupleCLIPLoader.clip_name4',
    'LTXAVTextEncoderLoader.text_encoder',
    'CLIPLoaderGGUF.clip_name',
    'DualCLIPLoaderGGUF.clip_name1',
    'DualCLIPLoaderGGUF.clip_name2',
  ],
  clip_vision: ['CLIPVisionLoader.clip_name'],
  controlnet: ['ControlNetLoader.control_net_name', 'DiffControlNetLoader.control_net_name'],
  upscale_models: ['UpscaleModelLoader.model_name'],
  latent_upscale_models: ['LatentUpscaleModelLoader.model_name'],
  style_models: ['StyleModelLoader.style_model_name'],
  hypernetworks: ['HypernetworkLoader.hypernetwork_name'],
  gligen: ['GLIGENLoader.gligen_name'],
  photomaker: ['PhotoMakerLoader.photomaker_model_name'],
  model_patches: ['ModelPatchLoader.name'],
  audio_encoders: ['AudioEncoderLoader.audio_encoder_name'],
};

const KIND_AT: ReadonlyMap<string, ModelKind> = new Map(
  Object.entries(MODEL_INPUTS).flatMap(([kind, inputs]) => inputs.map((input) => [input, kind as ModelKind])),
);

/** One class for each kind whose list tells what is in its folder. */
export const CORE_LOADERS: readonly string[] = Object.values(MODEL_INPUTS).map(([first = '']) => classOf(first));

function classOf(input: string): string {
  return input.slice(0, input.lastIndexOf('.'));
}

/** Tells the kind of the models that an input with these options lists. */
export type KindOfInput = (className: string, input: string, options: readonly string[]) => ModelKind | undefined;

/**
 * An input of a custom node has the kind whose core loader lists the same files in `core`, the classes of the same
 * instances. The kind is undefined for other inputs, and for a custom node that lists nothing or the same as loaders of
 * several kinds.
 */
export function kindsOfInputs(core: Abilities): KindOfInput {
  const kinds = new Map<string, ModelKind | undefined>();
  for (const inputs of Object.values(MODEL_INPUTS)) {
    const place = inputs.find((one) => optionsAt(core, one) !== undefined);
    if (place === undefined) continue;
    const files = filesIn(optionsAt(core, place) ?? []);
    if (files !== '') kinds.set(files, kinds.has(files) ? undefined : KIND_AT.get(place));
  }
  return (className, input, options) => KIND_AT.get(`${className}.${input}`) ?? kinds.get(filesIn(options));
}

function optionsAt(abilities: Abilities, place: string): readonly string[] | undefined {
  const className = classOf(place);
  return Object.hasOwn(abilities, className) ? abilities[className]?.[place.slice(className.length + 1)] : undefined;
}

/** The model files of a list as one text: custom nodes may list them in another order, and add `None`. */
function filesIn(options: readonly string[]): string {
  return options.filter(isModelFile).sort().join('\n');
}

const NO_ABILITIES: Abilities = {};
/** Cached, because the abilities of an instance have many inputs. */
const known = new WeakMap<Abilities, KindOfInput>();

/** The kind of the models that an input of an instance lists; without an instance, only ComfyUI's own classes are known. */
export function modelKindAt(className: string, input: string, abilities = NO_ABILITIES): ModelKind | undefined {
  const kindOf = known.get(abilities) ?? kindsOfInputs(abilities);
  known.set(abilities, kindOf);
  const choices = Object.hasOwn(abilities, className) ? abilities[className] : undefined;
  return kindOf(className, input, choices?.[input] ?? []);
}

/** The inputs of an instance that list the models of a kind. */
export function loaderInputsOf(kind: ModelKind, abilities: Abilities): { className: string; input: string }[] {
  return Object.entries(abilities).flatMap(([className, choices]) =>
    Object.keys(choices)
      .filter((input) => modelKindAt(className, input, abilities) === kind)
      .map((input) => ({ className, input })),
  );
}

/** The classes that list the models of a kind. */
export function classesOfKind(kind: ModelKind, abilities: Abilities): string[] {
  return [...new Set(loaderInputsOf(kind, abilities).map(({ className }) => className))];
}

/** The abilities without these models, given as `<kind>/<name>`. The same object if there are none. */
export function withoutModels(abilities: Abilities, ids: ReadonlySet<string>): Abilities {
  const less: Record<string, Abilities[string]> = {};
  for (const kind of MODEL_KINDS.filter((one) => [...ids].some((id) => id.startsWith(`${one}/`)))) {
    for (const { className, input } of loaderInputsOf(kind, abilities)) {
      const choices = less[className] ?? abilities[className] ?? {};
      const options = (choices[input] ?? []).filter((name) => !ids.has(modelId({ kind, name })));
      less[className] = { ...choices, [input]: options };
    }
  }
  return ids.size === 0 ? abilities : { ...abilities, ...less };
}
