import Type from 'typebox';
import type { Environment } from './environment.js';
import { readConfig, setting, variablesOf } from './setting.js';
import { integer, optionalPath, optionalText, path, text } from './setting-kinds.js';

const milliseconds = (name: string, value: number, description: string) =>
  setting(name, Type.Number({ default: value, minimum: 0, maximum: 3_600_000, description }));

const schema = {
  port: integer('SIMULATOR_PORT', 8188, 0, 'Port; 0 takes a free one', 65_535),
  host: text('SIMULATOR_HOST', '127.0.0.1', 'Address it listens on'),
  dir: path('SIMULATOR_DIR', '.data/simulator', 'Folder of its input, output and temp folders'),
  version: setting(
    'SIMULATOR_VERSION',
    Type.Enum(['0.3.64', '0.33.0'], { default: '0.3.64', description: 'Version of ComfyUI to simulate' }),
  ),
  stepMs: milliseconds('SIMULATOR_STEP_MS', 120, 'Duration of one sampler step, in ms'),
  modelLoadMs: milliseconds('SIMULATOR_MODEL_LOAD_MS', 800, 'Time to load a checkpoint, in ms'),
  journal: optionalPath('SIMULATOR_JOURNAL', 'File to which it appends a line for every start and end of a prompt'),
  /** As JSON, for the simulator to read. */
  more: optionalText(
    'SIMULATOR_SETTINGS',
    'More settings as JSON, as PATCH /simulator/settings takes them and GET shows them: model files, devices, caches, previews, a required header',
  ),
  log: {
    level: setting(
      'LOG_LEVEL',
      Type.Enum(['error', 'warn', 'info', 'debug'], { default: 'info', description: 'error, warn, info or debug' }),
    ),
    format: setting(
      'LOG_FORMAT',
      Type.Enum(['json', 'pretty'], { default: 'json', description: 'json, or pretty for a terminal' }),
    ),
  },
};

/** Every environment variable that the simulator reads, as JSON Schema. */
export const simulatorSchema = variablesOf(schema);

/** Reads the environment. Throws a ConfigError that lists every fault. */
export function loadSimulatorConfig(env: Environment = process.env) {
  return readConfig(schema, env);
}
