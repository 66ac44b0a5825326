import { Ajv, type ErrorObject } from 'ajv';
import Type, { type Static, type TSchema } from 'typebox';
import type { Writable } from './python.js';

const milliseconds = (description: string) => Type.Number({ minimum: 0, maximum: 3_600_000, description });
const names = (description: string) => Type.Array(Type.String({ minLength: 1 }), { description });

/** The settings, all of which can be changed while the simulator runs. */
export const settingsSchema = Type.Object(
  {
    version: Type.Enum(['0.3.64', '0.33.0'], { description: 'Which version of ComfyUI is simulated' }),
    stepMs: milliseconds('One sampler step'),
    modelLoadMs: milliseconds('Loading of a checkpoint or diffusion model'),
    smallModelLoadMs: milliseconds('Loading of any other model file: LoRA, VAE, text encoder, ControlNet'),
    encodeMs: milliseconds('Encoding of one text'),
    swapMsPerGib: milliseconds("Moving one GiB of a model into a device's memory"),
    pngMsPerMegapixel: milliseconds('Least time in which SaveImage saves a picture, per megapixel'),
    webpMsPerMegapixel: milliseconds('Least time in which SaveAnimatedWEBP saves a picture, per megapixel'),
    modelBytes: Type.Record(Type.String(), Type.Integer({ minimum: 0 }), {
      description:
        'Memory that a model file takes on a device, in bytes; `<checkpoint>/clip` is the text encoder of a checkpoint; what is not listed takes none',
    }),
    cacheLru: Type.Integer({
      minimum: 0,
      description: "Results of nodes that are kept, as ComfyUI's --cache-lru; 0: those of the last prompt only",
    }),
    cacheModels: Type.Integer({
      minimum: 0,
      description:
        "As ComfyUI's --cache-ram: all results are kept while no more checkpoints and diffusion models than these are in memory; 0: as cacheLru says",
    }),
    promptMs: milliseconds('Minimum duration of a prompt; fractions of a millisecond count on average'),
    vramBytes: Type.Integer({ minimum: 0, description: 'Memory of each device' }),
    deviceCount: Type.Integer({ minimum: 1, maximum: 64, description: 'How many devices /system_stats shows' }),
    deviceName: Type.String({ minLength: 1, description: '`cpu`, or the name of a GPU' }),
    previewMethod: Type.Enum(['none', 'auto', 'latent2rgb', 'taesd'], {
      description: "Previews while sampling, as ComfyUI's --preview-method",
    }),
    checkpoints: names('Installed checkpoints'),
    loras: names('Installed LoRAs'),
    vaes: names('Installed VAEs'),
    controlnets: names('Installed ControlNets'),
    diffusionModels: names('Installed diffusion models, for UNETLoader'),
    textEncoders: names('Installed text encoders, for the CLIP loaders'),
    modelFiles: Type.Record(Type.String(), names('File names'), {
      description: 'Installed model files of the other folders, by folder as /models lists them',
    }),
    modelsDir: Type.Union([Type.String({ minLength: 1 }), Type.Null()], {
      description:
        'Folder whose model files are installed besides these, in folders as ComfyUI names them; null: `models` in its own folder',
    }),
    probeNodes: Type.Boolean({
      description: 'Whether the nodes of the contract suite are installed, which expand, show values, and fail',
    }),
    journal: Type.Union([Type.String({ minLength: 1 }), Type.Null()], {
      description: 'File that gets a line at the start and end of every execution; null: none',
    }),
    requiredHeader: Type.Union([Type.String({ pattern: '^[^\\s:]+:\\s*\\S.*$' }), Type.Null()], {
      description: '`Name: value` without which requests and sockets are answered 401; null: none',
    }),
  },
  { additionalProperties: false },
);

export type SimulatorSettings = Static<typeof settingsSchema>;
export type ComfyVersion = SimulatorSettings['version'];

export const defaultSettings: SimulatorSettings = {
  version: '0.3.64',
  stepMs: 0,
  modelLoadMs: 0,
  smallModelLoadMs: 0,
  encodeMs: 0,
  swapMsPerGib: 0,
  pngMsPerMegapixel: 0,
  webpMsPerMegapixel: 0,
  modelBytes: {},
  cacheLru: 0,
  cacheModels: 0,
  promptMs: 0,
  vramBytes: 24 * 1024 ** 3,
  deviceCount: 1,
  deviceName: 'Simulated GPU',
  previewMethod: 'latent2rgb',
  checkpoints: ['sd_xl_base_1.0.safetensors', 'v1-5-pruned-emaonly.safetensors'],
  loras: ['add_detail.safetensors', 'film_grain.safetensors'],
  vaes: ['ae.safetensors', 'sdxl_vae.safetensors'],
  controlnets: ['control_canny.safetensors', 'control_depth.safetensors'],
  diffusionModels: ['flux1-dev.safetensors'],
  modelFiles: { clip_vision: ['clip_vision_h.safetensors'], upscale_models: ['4x-UltraSharp.pth'] },
  textEncoders: ['clip_g.safetensors', 'clip_l.safetensors', 't5xxl_fp16.safetensors'],
  modelsDir: null,
  probeNodes: false,
  journal: null,
  requiredHeader: null,
};

/** Invalid settings or faults; `faults` has one message for each problem. */
export class SettingsError extends Error {
  readonly faults: readonly string[];

  constructor(faults: readonly string[]) {
    super(faults.join('; '));
    this.name = 'SettingsError';
    this.faults = faults;
  }
}

/** The settings with the changes of `patch`. Throws a SettingsError if one of them is invalid. */
export function patched(settings: SimulatorSettings, patch: Partial<SimulatorSettings>): SimulatorSettings {
  const next = { ...settings, ...patch };
  const faults = schemaErrors(settingsSchema, next).map(({ params, instancePath, message }) =>
    params.additionalProperty === undefined
      ? `${instancePath.slice(1)} ${message}`
      : `unknown: ${params.additionalProperty}`,
  );
  if (faults.length > 0) throw new SettingsError(faults);
  return next;
}

/** Parses settings in JSON. Throws a SettingsError unless the text is a JSON object. */
export function parseSettings(text: string): Partial<SimulatorSettings> {
  const value = parseObject(text);
  if (value === undefined) throw new SettingsError(['must be a JSON object, such as {"device_count":2}']);
  return withCamelKeys(value);
}

function parseObject(text: string): object | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null ? value : undefined;
  } catch {
    return undefined;
  }
}

export function withCamelKeys(value: object): Record<string, unknown> {
  const camel = (key: string) => key.replace(/_([a-z])/g, (_, letter: string) => letter.toUpperCase());
  return Object.fromEntries(Object.entries(value).map(([key, member]) => [camel(key), member]));
}

/** Caches compiled schemas. */
let ajv: Ajv | undefined;

/** All errors of a value against its schema. */
export function schemaErrors(schema: TSchema, value: unknown): readonly ErrorObject[] {
  ajv ??= new Ajv({ allErrors: true, strict: false });
  const validate = ajv.compile(schema);
  return validate(value) ? [] : (validate.errors ?? []);
}

export const MAX_BODY_BYTES = 100 * 1024 * 1024;

/** The answer to GET /features and to a client's feature_flags. */
export function features(version: ComfyVersion): Writable {
  if (version === '0.3.64') return { supports_preview_metadata: true, max_upload_size: MAX_BODY_BYTES };
  return {
    supports_preview_metadata: true,
    supports_model_type_tags: true,
    max_upload_size: MAX_BODY_BYTES,
    extension: { manager: { supports_v4: true } },
    node_replacements: true,
    assets: false,
  };
}
