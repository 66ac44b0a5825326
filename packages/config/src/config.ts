import { hostname } from 'node:os';
import { ConfigError, type Environment } from './environment.js';
import { redisFaults, toRedisSettings } from './redis-settings.js';
import { configSchema, type RawConfig } from './schema/config-schema.js';
import { readConfig, variablesOf } from './setting.js';

/** Every environment variable that the services read, as JSON Schema. */
export const settingsSchema = variablesOf(configSchema);

/** The settings, grouped by what uses them, in the units that their names end in. Frozen. */
export type Config = ReturnType<typeof toConfig>;

export type KeyLimits = RawConfig['access']['keyLimits'];

/** Parts of a config that override the environment, for tests and benchmarks. */
export type ConfigOverrides = DeepPartial<Config>;
type DeepPartial<T> = T extends readonly unknown[] | string | number | boolean | undefined
  ? T
  : { readonly [K in keyof T]?: DeepPartial<T[K]> };

/** The store for pictures and other files. */
export type FramesSettings =
  | { readonly store: 'file'; readonly dir: string }
  | {
      readonly store: 's3';
      readonly bucket: string;
      /** Empty, or ends with a slash. */
      readonly prefix: string;
      readonly region: string;
      /** Undefined: AWS's endpoint of the region. */
      readonly endpoint: string | undefined;
      readonly pathStyle: boolean;
      readonly reads: RawConfig['frames']['reads'];
    };

/** Reads the environment. Throws a ConfigError that lists every error. */
export function loadConfig(env: Environment = process.env, overrides: ConfigOverrides = readOverrides(env)): Config {
  const raw = readConfig(configSchema, env);
  const faults = crossChecks(raw);
  if (faults.length > 0) throw new ConfigError(faults);
  return deepFreeze(overridden(toConfig(raw), overrides));
}

/** The environment variable that passes these overrides to a process. */
export function overridesEnv(overrides: ConfigOverrides): { readonly CONFIG_OVERRIDES: string } {
  return { CONFIG_OVERRIDES: JSON.stringify(overrides) };
}

function readOverrides({ CONFIG_OVERRIDES: text }: Environment): ConfigOverrides {
  try {
    return text ? (JSON.parse(text) as ConfigOverrides) : {};
  } catch {
    throw new ConfigError(['CONFIG_OVERRIDES: is not valid JSON']);
  }
}

function overridden<T extends object>(config: T, overrides: object): T {
  const merged = { ...config } as Record<string, unknown>;
  for (const [name, value] of Object.entries(overrides)) {
    if (!Object.hasOwn(config, name)) throw new ConfigError([`CONFIG_OVERRIDES: the config has no ${name}`]);
    const before = merged[name];
    merged[name] = isGroup(before) && isGroup(value) ? overridden(before, value) : value;
  }
  return merged as T;
}

function isGroup(value: unknown): value is object {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function crossChecks(raw: RawConfig): string[] {
  const { comfyui, compat, frames } = raw;
  const faults = redisFaults(raw.redis);
  const { urls } = comfyui;
  if (new Set(urls).size < urls.length) {
    faults.push(`COMFYUI_URLS=${urls.join(',')}: names an address twice; one GPU would be driven as two`);
  }
  if (compat.comfyuiPort !== undefined && !compat.apis.includes('comfyui')) {
    faults.push('COMFYUI_PORT is set, but COMPATIBLE_APIS lacks comfyui: there would be nothing on that port');
  }
  if (frames.store === 's3' && frames.bucket === undefined) {
    faults.push('S3_BUCKET is not set: FRAMES_STORE=s3 needs the name of a bucket');
  }
  if (raw.models.peers.url !== undefined && raw.models.peers.token === undefined) {
    faults.push('MODEL_PEERS_TOKEN is not set: MODEL_PEERS needs a secret that all workers share');
  }
  const folders = {
    COMFYUI_OUTPUT_DIRS: comfyui.outputDirs,
    COMFYUI_INPUT_DIRS: comfyui.inputDirs,
    COMFYUI_TEMP_DIRS: comfyui.tempDirs,
  };
  for (const [name, { length }] of Object.entries(folders)) {
    if (length > urls.length) faults.push(`${name}: names ${length} folders for ${urls.length} COMFYUI_URLS`);
  }
  for (const [name, { length }] of Object.entries({ COMFYUI_URLS: urls, ...folders })) {
    if (comfyui.instancesFile === undefined || length === 0) continue;
    faults.push(`COMFYUI_INSTANCES_FILE and ${name} are both set: keep one of them`);
  }
  return faults;
}

function toConfig(raw: RawConfig) {
  const { outputDirs, inputDirs, tempDirs, ...comfyui } = raw.comfyui;
  const { retention, queue, worker } = raw;
  return {
    ...raw,
    redis: toRedisSettings(raw.redis),
    /** Ports of the services in the settings; callers' URLs may not use them on private hosts. */
    ownPorts: ownPorts(raw) as readonly number[],
    /** Half of the lock time, so that a dead worker's jobs go to others soon. */
    queue: { ...queue, stalledCheckMs: Math.ceil(queue.lockMs / 2) },
    worker: { ...worker, name: worker.name ?? hostname() },
    retention: {
      ...retention,
      inputsMaxAgeSeconds: retention.inputsMaxAgeSeconds ?? retention.framesMaxAgeSeconds,
      jobBytesPerKey: queue.keyJobBytes,
    },
    comfyui: {
      ...comfyui,
      /** One entry per URL; undefined for folders that this machine cannot access. */
      folders: comfyui.urls.map((_url, index) => ({
        output: outputDirs[index],
        input: inputDirs[index],
        temp: tempDirs[index],
      })),
    },
    frames: toFrames(raw.frames),
  } as const;
}

function toFrames({ store, dir, bucket = '', ...s3 }: RawConfig['frames']): FramesSettings {
  return store === 'file' ? { store, dir } : { store, bucket, ...s3 };
}

function deepFreeze<T extends object>(value: T): T {
  for (const part of Object.values(value)) if (typeof part === 'object' && part !== null) deepFreeze(part);
  return Object.freeze(value);
}

/** A host shares these ports between services, so they do not identify one. */
const SHARED = new Set([80, 443]);
const DEFAULT_PORTS: Readonly<Record<string, number>> = { 'http:': 80, 'https:': 443, 'redis:': 6379, 'rediss:': 6379 };

/** The ports of addresses, except those that a host shares between services. */
export function portsOf(urls: readonly string[]): number[] {
  const ports = urls
    .filter((url) => URL.canParse(url))
    .map((url) => new URL(url))
    .map(({ port, protocol }) => (port === '' ? DEFAULT_PORTS[protocol] : Number(port)));
  return ports.filter((port) => port !== undefined && !SHARED.has(port)) as number[];
}

/** The ports of the services in these settings, which callers' URLs may not use on private hosts. */
function ownPorts({ redis, comfyui, http, worker, dispatcher }: RawConfig): number[] {
  const nodes = [redis.sentinels, redis.cluster].flatMap((text) => text?.split(',') ?? []);
  const urls = [redis.url, ...nodes.map((node) => `redis://${node.trim()}`), ...comfyui.urls];
  const health = [http.metricsPort, worker.healthPort, dispatcher.healthPort].filter((port) => port !== 0);
  return [...new Set([...portsOf(urls), ...health])].sort((a, b) => a - b);
}
