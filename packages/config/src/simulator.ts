import { resolve } from 'node:path';
import Type from 'typebox';
import type { Environment } from './environment.js';
import { readSettings } from './read-settings.js';

const milliseconds = (value: number, description: string) =>
  Type.Number({ default: value, minimum: 0, maximum: 3_600_000, description });

/** Every variable the simulator reads, with its default and meaning. */
export const simulatorSchema = Type.Object({
  SIMULATOR_PORT: Type.Integer({ default: 8188, minimum: 0, maximum: 65_535, description: 'Port; 0 takes a free one' }),
  SIMULATOR_HOST: Type.String({ default: '127.0.0.1', description: 'Address it listens on' }),
  SIMULATOR_VERSION: Type.Enum(['0.3.64', '0.33.0'], {
    default: '0.3.64',
    description: 'Version of ComfyUI to simulate',
  }),
  SIMULATOR_DIR: Type.String({
    default: '.data/simulator',
    description: 'Folder of its input, output and temp folders',
  }),
  SIMULATOR_STEP_MS: milliseconds(120, 'Duration of one sampler step, in ms'),
  SIMULATOR_MODEL_LOAD_MS: milliseconds(800, 'Time to load a checkpoint, in ms'),
  SIMULATOR_SMALL_MODEL_LOAD_MS: milliseconds(0, 'Time to load a LoRA, VAE, text encoder or ControlNet, in ms'),
  SIMULATOR_CACHE_LRU: Type.Integer({
    default: 0,
    minimum: 0,
    description: "Node results it keeps, as ComfyUI's --cache-lru; 0: those of the last prompt only",
  }),
  SIMULATOR_CACHE_MODELS: Type.Integer({
    default: 0,
    minimum: 0,
    description:
      "Checkpoints and diffusion models its memory holds; it keeps all results until there are more, as ComfyUI's --cache-ram. 0: SIMULATOR_CACHE_LRU decides",
  }),
  SIMULATOR_PROMPT_MS: milliseconds(0, 'Minimum duration of any prompt, in ms'),
  SIMULATOR_VRAM_BYTES: Type.Integer({ default: 24 * 1024 ** 3, minimum: 0, description: 'Memory of each device' }),
  SIMULATOR_DEVICE_COUNT: Type.Integer({
    default: 1,
    minimum: 1,
    maximum: 64,
    description: 'Devices in /system_stats',
  }),
  SIMULATOR_DEVICE_NAME: Type.String({ default: 'Simulated GPU', description: '`cpu`, or the name of a GPU' }),
  SIMULATOR_PREVIEW_METHOD: Type.Enum(['none', 'auto', 'latent2rgb', 'taesd'], {
    default: 'latent2rgb',
    description: 'Previews while sampling',
  }),
  SIMULATOR_CHECKPOINTS: Type.Optional(
    Type.String({ description: 'Comma-separated names of the installed checkpoints' }),
  ),
  SIMULATOR_LORAS: Type.Optional(Type.String({ description: 'Comma-separated names of the installed LoRAs' })),
  SIMULATOR_JOURNAL: Type.Optional(
    Type.String({ description: 'File to which it appends a line for every start and end of a prompt' }),
  ),
  SIMULATOR_REQUIRED_HEADER: Type.Optional(
    Type.String({
      pattern: '^[^\\s:]+:\\s*\\S.*$',
      description: 'Header `Name: value` that every request must have, as behind a login; others are answered 401',
    }),
  ),
  LOG_LEVEL: Type.Enum(['error', 'warn', 'info', 'debug'], {
    default: 'info',
    description: 'error, warn, info or debug',
  }),
  LOG_FORMAT: Type.Enum(['json', 'pretty'], { default: 'json', description: 'json, or pretty for a terminal' }),
});

/** The simulator's settings as its process wants them. Absent lists are the simulator's own defaults. */
export interface SimulatorConfig {
  readonly log: { readonly level: 'error' | 'warn' | 'info' | 'debug'; readonly format: 'json' | 'pretty' };
  readonly port: number;
  readonly host: string;
  readonly dir: string;
  readonly settings: {
    readonly version: '0.3.64' | '0.33.0';
    readonly stepMs: number;
    readonly modelLoadMs: number;
    readonly smallModelLoadMs: number;
    readonly cacheLru: number;
    readonly cacheModels: number;
    readonly promptMs: number;
    readonly vramBytes: number;
    readonly deviceCount: number;
    readonly deviceName: string;
    readonly previewMethod: 'none' | 'auto' | 'latent2rgb' | 'taesd';
    readonly journal: string | null;
    readonly requiredHeader: string | null;
    readonly checkpoints?: string[];
    readonly loras?: string[];
  };
}

/** Reads the environment. Throws a ConfigError that lists every fault. */
export function loadSimulatorConfig(env: Environment = process.env): SimulatorConfig {
  const s = readSettings(simulatorSchema, env);
  return {
    log: { level: s.LOG_LEVEL, format: s.LOG_FORMAT },
    port: s.SIMULATOR_PORT,
    host: s.SIMULATOR_HOST,
    dir: resolve(s.SIMULATOR_DIR),
    settings: {
      version: s.SIMULATOR_VERSION,
      stepMs: s.SIMULATOR_STEP_MS,
      modelLoadMs: s.SIMULATOR_MODEL_LOAD_MS,
      smallModelLoadMs: s.SIMULATOR_SMALL_MODEL_LOAD_MS,
      cacheLru: s.SIMULATOR_CACHE_LRU,
      cacheModels: s.SIMULATOR_CACHE_MODELS,
      promptMs: s.SIMULATOR_PROMPT_MS,
      vramBytes: s.SIMULATOR_VRAM_BYTES,
      deviceCount: s.SIMULATOR_DEVICE_COUNT,
      deviceName: s.SIMULATOR_DEVICE_NAME,
      previewMethod: s.SIMULATOR_PREVIEW_METHOD,
      journal: s.SIMULATOR_JOURNAL === undefined ? null : resolve(s.SIMULATOR_JOURNAL),
      requiredHeader: s.SIMULATOR_REQUIRED_HEADER ?? null,
      ...(s.SIMULATOR_CHECKPOINTS === undefined ? {} : { checkpoints: names(s.SIMULATOR_CHECKPOINTS) }),
      ...(s.SIMULATOR_LORAS === undefined ? {} : { loras: names(s.SIMULATOR_LORAS) }),
    },
  };
}

function names(text: string): string[] {
  return text
    .split(',')
    .map((name) => name.trim())
    .filter((name) => name !== '');
}
