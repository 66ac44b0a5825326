import { hostname } from 'node:os';
import { resolve } from 'node:path';
import { describe, expect, it } from 'vitest';
import {
  ConfigError,
  type Environment,
  loadConfig,
  overridesEnv,
  readSettings,
  settingsSchema,
  simulatorSchema,
} from '../src/index.js';

function faults(env: Environment): readonly string[] {
  try {
    loadConfig(env);
  } catch (error) {
    if (error instanceof ConfigError) return error.faults;
    throw error;
  }
  return [];
}

describe('loadConfig', () => {
  it('uses defaults for an empty environment', () => {
    const config = loadConfig({});
    expect(config).toMatchObject({
      http: { host: '127.0.0.1', port: 3000, publicUrl: undefined, maxWaitSeconds: 60 },
      redis: { url: 'redis://127.0.0.1:6379', prefix: '{comfy-fleet}' },
      comfyui: { urls: [] },
      limits: {
        maxPromptChars: 4000,
        maxSteps: 150,
        maxCfg: 30,
        minSize: 64,
        maxSize: 2048,
        maxCount: 8,
        maxJobPixels: 500_000_000,
      },
      images: { maxBytes: 20 * 1024 * 1024, maxPixels: 40_000_000 },
      frames: { store: 'file', dir: resolve('.data/frames') },
      workflowsDir: resolve('workflows'),
    });
    expect(config.worker.name).toBe(hostname());
  });

  it('converts text to numbers and trims spaces', () => {
    const config = loadConfig({ PORT: ' 8080 ', MAX_CFG: '12.5', HOST: ' 0.0.0.0 ', WORKER_NAME: 'gpu-1' });
    expect(config.http).toMatchObject({ port: 8080, host: '0.0.0.0' });
    expect(config.limits.maxCfg).toBe(12.5);
    expect(config.worker.name).toBe('gpu-1');
  });

  it('treats an empty variable like an absent one', () => {
    const config = loadConfig({ PORT: '', PUBLIC_URL: '  ', COMFYUI_URLS: '' });
    expect([config.http.port, config.http.publicUrl, config.comfyui.urls]).toEqual([3000, undefined, []]);
  });

  it('reads the addresses of several ComfyUIs in order, without trailing slashes', () => {
    const { urls } = loadConfig({ COMFYUI_URLS: 'http://127.0.0.1:8188/, https://gpu.example:443/comfy// ,' }).comfyui;
    expect(urls).toEqual(['http://127.0.0.1:8188', 'https://gpu.example:443/comfy']);
  });

  it('removes a trailing slash from PUBLIC_URL', () => {
    expect(loadConfig({ PUBLIC_URL: 'https://fleet.example/api/' }).http.publicUrl).toBe('https://fleet.example/api');
  });

  it('reads the settings of a bucket, with one slash at the end of the prefix', () => {
    const env = { FRAMES_STORE: 's3', S3_BUCKET: 'pictures', S3_PREFIX: 'a/b', S3_READS: 'presigned' };
    const { frames } = loadConfig(env);
    expect(frames).toEqual({
      store: 's3',
      bucket: 'pictures',
      prefix: 'a/b/',
      region: 'us-east-1',
      endpoint: undefined,
      pathStyle: false,
      reads: 'presigned',
    });
    expect(loadConfig({ ...env, S3_PREFIX: 'a/b/' }).frames).toEqual(frames);
    expect(loadConfig({ ...env, S3_PREFIX: '' }).frames).toMatchObject({ prefix: '' });
  });

  it('takes a list of choices, or none', () => {
    const apis = (env: Environment) => loadConfig(env).compat.apis;
    expect(apis({})).toEqual(['comfyui', 'comfy-v2', 'openai']);
    expect(apis({ COMPATIBLE_APIS: 'openai , comfyui' })).toEqual(['openai', 'comfyui']);
    expect(apis({ COMPATIBLE_APIS: 'none' })).toEqual([]);
    expect(loadConfig({ MODEL_URL_KINDS: 'none' }).models.urlKinds).toEqual([]);
    expect(faults({ COMPATIBLE_APIS: 'none,openai' })).toHaveLength(1);
  });

  it("reads what OpenAI's models stand for", () => {
    const { openaiAliases } = loadConfig({ OPENAI_MODEL_ALIASES: 'gpt-image-2=photo@final , dall-e-3=x' }).compat;
    expect(openaiAliases).toEqual({ 'gpt-image-2': 'photo@final', 'dall-e-3': 'x' });
  });

  it('requires a bucket for the store s3', () => {
    expect(faults({ FRAMES_STORE: 's3' })).toEqual([
      'S3_BUCKET is not set: FRAMES_STORE=s3 needs the name of a bucket',
    ]);
  });

  it('lists every error at once, each with its variable and value', () => {
    const env = {
      PORT: '70000',
      MAX_STEPS: 'many',
      MAX_COUNT: '1.5',
      MAX_SIZE: '-8',
      LOG_LEVEL: 'loud',
      REDIS_URL: 'localhost:6379',
      COMFYUI_URLS: 'http://a:8188 http://b:8188',
      PUBLIC_URL: 'fleet.example',
      WORKER_NAME: 'gpu 1',
      KEY_PREFIX: 'fleet',
    };
    const found = faults(env);
    expect(found.map((fault) => fault.match(/^[A-Z_]+/)?.[0]).sort()).toEqual(Object.keys(env).sort());
    expect(found).toEqual(
      expect.arrayContaining([
        'PORT=70000: must be 65535 or less',
        'MAX_STEPS=many: must be a whole number',
        'MAX_COUNT=1.5: must be a whole number',
        'MAX_SIZE=-8: must be 64 or more',
        'LOG_LEVEL=loud: must be one of error, warn, info, debug',
        'REDIS_URL: does not have the form it needs (redis:// or rediss:// (TLS) address of Redis, with user and password if it requires them)',
      ]),
    );
  });

  it('puts every error into the message', () => {
    expect(() => loadConfig({ PORT: 'x', LOG_LEVEL: 'y' })).toThrow(
      'The settings are wrong:\n  - PORT=x: must be a whole number\n  - LOG_LEVEL=y: must be one of error, warn, info, debug',
    );
  });

  it('lists settings that contradict each other', () => {
    const urls = { COMFYUI_URLS: 'http://a:8188,http://a:8188/', COMFYUI_OUTPUT_DIRS: '/a,/b,/c' };
    expect(faults(urls)).toEqual([
      'COMFYUI_URLS=http://a:8188,http://a:8188: names an address twice; one GPU would be driven as two',
      'COMFYUI_OUTPUT_DIRS: names 3 folders for 2 COMFYUI_URLS',
    ]);
    expect(faults({ COMFYUI_PORT: '8188', COMPATIBLE_APIS: 'openai' })).toEqual([
      'COMFYUI_PORT is set, but COMPATIBLE_APIS lacks comfyui: there would be nothing on that port',
    ]);
  });

  it('allows webhooks to be retried for longer than a job is kept, because a job outlives its webhook', () => {
    expect(faults({ JOB_TTL_SECONDS: '60', WEBHOOK_RETRY_SECONDS: '5,600' })).toEqual([]);
  });

  it.each(['redis://:secret@cache.example:6380/2', 'rediss://cache.example'])('takes %s for Redis', (url) => {
    expect(loadConfig({ REDIS_URL: url }).redis.url).toBe(url);
  });

  it.each(['{fleet}', 'a{b}c', '{comfy-fleet}_2'])('takes %s for a prefix of keys', (prefix) => {
    expect(loadConfig({ KEY_PREFIX: prefix }).redis.prefix).toBe(prefix);
  });

  it.each([settingsSchema, simulatorSchema])('has defaults that it takes when they are written, too', (schema) => {
    const defaults = readSettings(schema, {});
    const written = Object.entries(defaults).map(([name, value]) => [name, `${value}`]);
    expect(readSettings(schema, Object.fromEntries(written))).toEqual(defaults);
  });

  it('is frozen, including nested lists', () => {
    const config = loadConfig({ COMFYUI_URLS: 'http://127.0.0.1:8188' });
    const parts = [config, config.http, config.limits, config.queue, config.comfyui, config.comfyui.urls];
    expect(parts.map(Object.isFrozen)).toEqual(parts.map(() => true));
  });

  it('replaces parts of the config by overrides, and refuses unknown ones', () => {
    const { queue } = loadConfig({ LOCK_MS: '3000' }, { queue: { sweepSeconds: 1 } });
    expect(queue).toMatchObject({ lockMs: 3000, stalledCheckMs: 1500, sweepSeconds: 1, maxAttempts: 3 });
    expect(loadConfig(overridesEnv({ images: { widths: [64] } })).images).toMatchObject({
      widths: [64],
      maxPixels: 40_000_000,
    });
    expect(faults({ CONFIG_OVERRIDES: '{"queue":{"sweepMs":1}}' })).toEqual([
      'CONFIG_OVERRIDES: the config has no sweepMs',
    ]);
    expect(faults({ CONFIG_OVERRIDES: '{' })).toEqual(['CONFIG_OVERRIDES: is not valid JSON']);
  });

  it('does not change the environment', () => {
    const env = Object.freeze({ PORT: ' 8080 ', UNKNOWN: 'x' });
    loadConfig(env);
    expect(env).toEqual({ PORT: ' 8080 ', UNKNOWN: 'x' });
  });
});

it('has the ports of our own services, but not those that a host shares between services', () => {
  const env = {
    REDIS_URL: 'redis://10.0.0.1',
    REDIS_SENTINELS: '10.0.0.1:26379, [::1]:26380',
    COMFYUI_URLS: 'http://127.0.0.1:8188,https://gpu.internal/comfy',
    API_METRICS_PORT: '0',
    WORKER_HEALTH_PORT: '4001',
  };
  expect(loadConfig(env).ownPorts).toEqual([3002, 4001, 6379, 8188, 26379, 26380]);
});
