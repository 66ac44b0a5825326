import type { Static } from 'typebox';
import Type from 'typebox';
import type { Environment } from './environment.js';
import { readSettings } from './read-settings.js';
import { integer, path, readConfig, setting, text, variablesOf } from './setting.js';

const schema = {
  port: integer('SIMULATOR_PORT', 8188, 0, 'Port; 0 takes a free one', 65_535),
  host: text('SIMULATOR_HOST', '127.0.0.1', 'Address it listens on'),
  dir: path('SIMULATOR_DIR', '.data/simulator', 'Folder of its input, output and temp folders'),
  /** JSON, which the simulator parses. */
  settings: text(
    'SIMULATOR_SETTINGS',
    '{}',
    'Its settings as JSON, as PATCH /simulator/settings takes them and GET shows them: version of ComfyUI, duration of a sampler step and of loading a model, model files, devices, caches, previews, a required header',
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

/** Reads the environment of the simulator. Throws a ConfigError that lists every error. */
export function loadSimulatorConfig(env: Environment = process.env) {
  return readConfig(schema, env);
}

const testSettingsSchema = Type.Object({
  COMFYUI_URL: Type.Optional(
    Type.String({
      pattern: '^https?://[^\\s]+$',
      description: 'http(s) address of a real, idle ComfyUI that the contract suite is to run against as well',
    }),
  ),
});

/** Settings for whoever runs the tests. */
export function readTestSettings(env: Environment = process.env): Static<typeof testSettingsSchema> {
  return readSettings(testSettingsSchema, env);
}

/** What the environment tells a command that calls an API, which need not have the settings of this machine. */
export interface CallerSettings {
  readonly url: string | undefined;
  readonly key: string | undefined;
  /** The URL of an API with these settings, from this machine. */
  readonly localUrl: string;
  readonly profile: string | undefined;
  /** The folder for programs' configuration; undefined: `.config` in the user's home. */
  readonly configHome: string | undefined;
  /** How a person calls this program. */
  readonly program: string;
  /** Whether tmux or screen is between the program and the terminal. */
  readonly isMultiplexed: boolean;
}

/** Empty variables count as not set. */
export function callerSettings(env: Environment = process.env): CallerSettings {
  return {
    url: env.COMFY_FLEET_URL || undefined,
    key: env.COMFY_FLEET_KEY || undefined,
    localUrl: `http://${reachable(env.HOST || '127.0.0.1')}:${env.PORT || 3000}`,
    profile: env.COMFY_FLEET_PROFILE || undefined,
    configHome: env.XDG_CONFIG_HOME || undefined,
    program: env.npm_lifecycle_event === 'cli' ? 'npm run cli --' : 'comfy-fleet',
    isMultiplexed: Boolean(env.TMUX || env.STY),
  };
}

/** An address that a server listens on, as the host of a URL. */
function reachable(host: string): string {
  if (host === '0.0.0.0') return '127.0.0.1';
  const name = host === '::' ? '::1' : host;
  return name.includes(':') ? `[${name}]` : name;
}
