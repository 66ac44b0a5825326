import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { loadConfig } from '@comfy-fleet/config';
import { describe, expect, it } from 'vitest';
import { REDIS_IMAGE } from '../../local/redis-server.mjs';
import { run } from './support/container.js';
import { stagesOf } from './support/dockerfile.js';
import { ROOT, SETTINGS, textOf } from './support/files.js';

/** A service as Compose outputs it: with merged anchors, variables and expanded short forms. */
interface Service {
  readonly image?: string;
  readonly command?: readonly string[];
  readonly build?: { readonly dockerfile: string };
  readonly environment?: Readonly<Record<string, string>>;
  readonly volumes?: readonly { readonly source: string; readonly target: string; readonly read_only?: boolean }[];
  readonly secrets?: readonly { readonly source: string; readonly target: string }[];
  readonly networks?: Readonly<Record<string, { readonly aliases?: readonly string[] } | null>>;
  readonly ports?: readonly { readonly host_ip?: string; readonly target: number }[];
  readonly healthcheck?: { readonly test?: readonly string[]; readonly start_interval?: string };
  readonly restart?: string;
  readonly read_only?: boolean;
  readonly tmpfs?: readonly string[];
  readonly cap_drop?: readonly string[];
  readonly security_opt?: readonly string[];
  readonly stop_grace_period?: string;
  readonly depends_on?: Readonly<Record<string, { readonly condition: string }>>;
  readonly deploy?: { readonly resources: { readonly reservations: { readonly devices: readonly object[] } } };
}

interface Project {
  readonly services: Readonly<Record<string, Service>>;
  readonly networks: Readonly<Record<string, { readonly internal?: boolean }>>;
  readonly secrets: Readonly<Record<string, { readonly file: string }>>;
}

const PROFILES = [
  [],
  ['gpu'],
  ['simulator'],
  ['observability'],
  ['gpu', 'observability'],
  ['simulator', 'observability'],
];
const WITH_KEYS = { API_KEYS_FILE: '.data/secrets/keys.json', WEBHOOK_SECRETS_FILE: '.data/secrets/webhooks' };
/** Variables that only Compose reads. */
const OF_COMPOSE = ['COMPOSE_PROFILES'];

/** Runs docker-compose with only `env`, and ignores this clone's .env. */
function compose(profiles: readonly string[], env: Readonly<Record<string, string>>, ...args: string[]) {
  const before = ['--env-file', '/dev/null', ...profiles.flatMap((profile) => ['--profile', profile])];
  const { PATH } = process.env;
  return run('docker-compose', [...before, 'config', ...args], { cwd: ROOT, env: { PATH, ...env } });
}

const project = async (profiles: readonly string[], env: Readonly<Record<string, string>> = {}) =>
  JSON.parse(await compose(profiles, env, '--format', 'json')) as Project;

const composeText = await textOf('docker-compose.yml');
const all = await project(['gpu', 'simulator', 'observability', 'doctor'], WITH_KEYS);
const service = (name: string, { services } = all): Service => services[name] ?? expect.fail(`no service ${name}`);
/** The services of our image, with the variables for paths and addresses that each one reads. */
const READ_BY: Readonly<Record<string, RegExp>> = {
  api: /^(FRAMES_DIR|(API_METRICS_)?(HOST|PORT))$/,
  dispatcher: /^(FRAMES|DISPATCHER)_/,
  doctor: /^FRAMES_/,
  simulator: /^SIMULATOR_/,
  worker: /^(FRAMES|WORKER)_/,
};
const APPS = Object.keys(READ_BY);
const KEEPERS = ['api', 'dispatcher', 'worker'];
const image = stagesOf(await textOf('infra/docker/Dockerfile')).at(-1) ?? expect.fail('no stage');

describe('docker-compose.yml', () => {
  it.each(PROFILES.flatMap((profiles) => [[profiles, {}] as const, [profiles, WITH_KEYS] as const]))(
    'is valid with the profiles %j and %j',
    async (profiles, env) => {
      await expect(compose(profiles, env, '-q')).resolves.toBe('');
    },
  );

  it.each([
    [[], []],
    [['gpu'], ['comfyui']],
    [['simulator'], ['simulator']],
    [['observability'], ['grafana', 'jaeger', 'prometheus']],
    [['doctor'], ['doctor']],
  ])('starts Redis, api, worker, dispatcher and, with the profiles %j, also %j', async (profiles, more) => {
    const { services } = await project(profiles);
    expect(Object.keys(services).sort()).toEqual(['redis', ...KEEPERS, ...more].sort());
  });

  it('reserves a GPU only for ComfyUI', () => {
    const reserving = Object.entries(all.services).filter(([, { deploy }]) => deploy !== undefined);
    expect(reserving.map(([name]) => name)).toEqual(['comfyui']);
    expect(service('comfyui').deploy?.resources.reservations.devices).toEqual([
      { driver: 'nvidia', count: 1, capabilities: ['gpu'] },
    ]);
  });

  it('builds all apps from one file, and runs the role of each service', () => {
    for (const name of APPS)
      expect(service(name)).toMatchObject({ build: { dockerfile: 'infra/docker/Dockerfile' }, command: [name] });
    expect(service('comfyui').build?.dockerfile).toBe('infra/docker/comfyui.Dockerfile');
  });

  it('names the tag and digest of every image that it does not build', () => {
    const images = Object.values(all.services).flatMap(({ image }) => (image === undefined ? [] : [image]));
    expect(images.length).toBeGreaterThan(3);
    for (const each of images) expect(each).toMatch(/:(?!latest)v?\d[\w.-]*@sha256:[0-9a-f]{64}$/);
  });
});

describe('the services', () => {
  it('have a read-only root file system and no capabilities, and restart, except the doctor, which runs once', () => {
    expect(Object.keys(all.services)).toHaveLength(10);
    for (const [name, each] of Object.entries(all.services)) {
      expect(each).toMatchObject({
        read_only: true,
        tmpfs: ['/tmp'],
        cap_drop: ['ALL'],
        security_opt: ['no-new-privileges:true'],
        restart: name === 'doctor' ? 'no' : 'unless-stopped',
      });
    }
  });

  it('get only variables that they read', () => {
    const named = APPS.flatMap((name) => Object.keys(service(name).environment ?? {}));
    const passedOn = [...composeText.matchAll(/\$\{(\w+)/g)].map((match) => match[1] ?? '');
    expect(named.length).toBeGreaterThan(20);
    expect([...named, ...passedOn].filter((name) => !SETTINGS.has(name) && !OF_COMPOSE.includes(name))).toEqual([]);
  });

  it('ignore paths and addresses in .env that differ in containers', () => {
    for (const [name, read] of Object.entries(READ_BY)) {
      const { environment = {} } = service(name);
      const ofImage = Object.entries(image.env).filter(([key]) => read.test(key));
      expect(ofImage.length).toBeGreaterThan(0);
      expect(environment).toMatchObject(Object.fromEntries(ofImage));
    }
    for (const name of KEEPERS) {
      expect(service(name).environment).toMatchObject({ REDIS_URL: '', REDIS_SENTINELS: '', REDIS_CLUSTER: '' });
    }
  });

  it('publish only the API, Grafana and the traces, and only to this machine', () => {
    const published = Object.entries(all.services).flatMap(([name, { ports = [] }]) =>
      ports.map(({ host_ip, target }) => [name, host_ip, target]),
    );
    expect(published.sort()).toEqual([
      ['api', '127.0.0.1', 3000],
      ['grafana', '127.0.0.1', 3000],
      ['jaeger', '127.0.0.1', 16686],
    ]);
  });

  it('read secrets from files, not from variables', async () => {
    const used = (name: string) => service(name).secrets?.map(({ source }) => source);
    expect(used('redis')).toEqual(['redis_url']);
    expect(used('api')).toEqual(['redis_url', 'api_keys']);
    expect(used('worker')).toEqual(['redis_url', 'instances', 'model_credentials']);
    expect(used('dispatcher')).toEqual(['redis_url', 'api_keys', 'webhook_secrets']);
    expect(used('grafana')).toEqual(['grafana_password']);
    for (const name of ['redis', ...KEEPERS]) {
      expect(service(name).environment?.REDIS_URL_FILE).toBe('/run/secrets/redis_url');
    }
    expect(service('dispatcher').environment?.WEBHOOK_SECRETS_FILE).toBe('/run/secrets/webhook_secrets');
    expect(service('api').environment?.API_KEYS_FILE).toBe('/run/secrets/api_keys');
    expect(all.secrets.api_keys?.file).toBe(join(ROOT, WITH_KEYS.API_KEYS_FILE));
    const variables = Object.values(all.services).flatMap(({ environment = {} }) => Object.entries(environment));
    expect(variables.filter(([name, value]) => /(PASSWORD|SECRETS?)$/.test(name) || /:\/\/[^/]*@/.test(value))).toEqual(
      [],
    );
  });

  it('require no key and sign no webhook if there is no file of keys', async () => {
    const without = await project([]);
    expect(service('api', without).environment?.API_KEYS_FILE).toBe('');
    expect(service('dispatcher', without).environment).toMatchObject({ API_KEYS_FILE: '', WEBHOOK_SECRETS_FILE: '' });
    expect(without.secrets.api_keys?.file).toBe('/dev/null');
  });

  it('are checked every second at the start, since others wait for them, with the health check of their image', () => {
    for (const name of ['api', 'worker', 'dispatcher', 'comfyui', 'simulator']) {
      expect(service(name).healthcheck).toEqual({ start_interval: '1s' });
    }
    expect(service('redis').healthcheck?.start_interval).toBe('1s');
  });

  it('start when Redis is healthy, and share the volume /data/frames', () => {
    for (const name of KEEPERS) {
      expect(service(name).depends_on?.redis?.condition).toBe('service_healthy');
      expect(service(name).environment?.FRAMES_DIR).toBe('/data/frames');
      expect(service(name).volumes).toContainEqual(
        expect.objectContaining({ source: 'frames', target: '/data/frames' }),
      );
    }
  });

  it('reach Redis and ComfyUI through internal networks without other services', () => {
    const members = (network: string) =>
      Object.keys(all.services).filter((name) => Object.keys(service(name).networks ?? {}).includes(network));
    expect(members('data').sort()).toEqual(['api', 'dispatcher', 'doctor', 'redis', 'worker']);
    expect(members('gpu').sort()).toEqual(['comfyui', 'doctor', 'simulator', 'worker']);
    expect(all.networks).toMatchObject({ data: { internal: true }, gpu: { internal: true } });
    for (const name of ['redis', 'comfyui', 'simulator'])
      expect(Object.keys(service(name).networks ?? {})).toHaveLength(1);
  });

  it('give the worker access to the files of its default ComfyUI or simulator, for housekeeping', () => {
    const { environment = {}, volumes = [] } = service('worker');
    expect(environment).toMatchObject({
      COMFYUI_URLS: 'http://comfyui:8188',
      COMFYUI_OUTPUT_DIRS: '/data/comfyui/output',
      COMFYUI_INPUT_DIRS: '/data/comfyui/input',
      COMFYUI_TEMP_DIRS: '/data/comfyui/temp',
    });
    expect(service('simulator').networks?.gpu?.aliases).toEqual(['comfyui']);
    for (const each of [volumes, service('comfyui').volumes, service('simulator').volumes]) {
      expect(each).toContainEqual(expect.objectContaining({ source: 'comfyui', target: '/data/comfyui' }));
    }
  });

  it('give the worker and the doctor the instances file as a secret, instead of the address and folders', async () => {
    const none = { COMFYUI_URLS: '', COMFYUI_OUTPUT_DIRS: '', COMFYUI_INPUT_DIRS: '', COMFYUI_TEMP_DIRS: '' };
    const config = await project(['doctor'], { COMFYUI_INSTANCES_FILE: './instances.yaml', ...none });
    for (const name of ['worker', 'doctor']) {
      const { environment, secrets } = config.services[name] ?? {};
      expect(environment).toMatchObject({ COMFYUI_INSTANCES_FILE: '/run/secrets/instances', ...none });
      expect(secrets).toContainEqual(expect.objectContaining({ source: 'instances' }));
    }
    expect(config.secrets?.instances?.file).toMatch(/\/instances\.yaml$/);
    expect(config.services.api?.secrets).not.toContainEqual(expect.objectContaining({ source: 'instances' }));
  });

  it('mount the models read-only', () => {
    const models = service('comfyui').volumes?.find(({ target }) => target === '/data/comfyui/models');
    expect(models).toMatchObject({ source: 'models', read_only: true });
  });

  it('let the worker fetch models into the folder of ComfyUI, with its credentials as a secret, only if it is named', async () => {
    const models = ({ services }: Project, name: string) =>
      services[name]?.volumes?.find(({ target }) => target === '/data/comfyui/models');
    expect(service('worker').environment).toMatchObject({ COMFYUI_MODELS_DIR: '', MODEL_CREDENTIALS_FILE: '' });
    const env = { COMFYUI_MODELS_DIR: '/srv/models', MODEL_CREDENTIALS_FILE: './models.yaml' };
    const named = await project(['gpu', 'doctor'], env);
    expect(models(named, 'comfyui')).toMatchObject({ source: '/srv/models', read_only: true });
    for (const name of ['worker', 'doctor']) {
      const { environment, secrets } = named.services[name] ?? {};
      expect(environment).toMatchObject({
        COMFYUI_MODELS_DIR: '/data/comfyui/models',
        MODEL_CREDENTIALS_FILE: '/run/secrets/model_credentials',
      });
      expect(secrets).toContainEqual(expect.objectContaining({ source: 'model_credentials' }));
      expect(models(named, name)).toMatchObject({ source: '/srv/models' });
      expect(models(named, name)).not.toHaveProperty('read_only');
    }
  });

  it('have more time to stop than a worker gives its job, and a dispatcher a receiver', () => {
    const grace = (name: string) => seconds(service(name).stop_grace_period);
    expect(grace('worker')).toBeGreaterThan(loadConfig({}).worker.drainSeconds + 5);
    expect(grace('dispatcher')).toBeGreaterThan(loadConfig({}).webhooks.timeoutMs / 1000 + 5);
  });
});

/** The seconds of a duration such as `1m30s`. */
function seconds(duration = ''): number {
  const [, minutes = '0', rest = '0'] = /^(?:(\d+)m)?(?:(\d+)s)?$/.exec(duration) ?? expect.fail(duration);
  return Number(minutes) * 60 + Number(rest);
}

describe('a .env file', () => {
  it('sets variables of every app, except those that the containers determine', async () => {
    const dir = await mkdtemp(join(tmpdir(), 'comfy-fleet-compose-'));
    try {
      await writeFile(join(dir, '.env'), 'MAX_STEPS=77\nREDIS_URL=redis://elsewhere:6379\nFRAMES_DIR=/somewhere\n');
      const args = ['--project-directory', dir, '-f', join(ROOT, 'docker-compose.yml'), '--profile', 'simulator'];
      const { PATH } = process.env;
      const text = await run('docker-compose', [...args, 'config', '--format', 'json'], { cwd: dir, env: { PATH } });
      const { services } = JSON.parse(text) as Project;
      for (const name of [...KEEPERS, 'simulator']) expect(services[name]?.environment?.MAX_STEPS).toBe('77');
      for (const name of KEEPERS) {
        expect(services[name]?.environment).toMatchObject({ REDIS_URL: '', FRAMES_DIR: '/data/frames' });
      }
      expect(services.redis?.environment?.MAX_STEPS).toBeUndefined();
    } finally {
      await rm(dir, { recursive: true });
    }
  });

  it('can be copied from .env.example, which contains only variables that exist', async () => {
    const names = [...(await textOf('.env.example')).matchAll(/^# ?([A-Z_0-9]+)=/gm)].map((match) => match[1] ?? '');
    expect(names.length).toBeGreaterThan(5);
    expect(names.filter((name) => !SETTINGS.has(name) && !OF_COMPOSE.includes(name))).toEqual([]);
  });
});

it('Compose and npm start use the same image of Redis', () => {
  expect(service('redis').image).toBe(REDIS_IMAGE);
});

it('the Redis of Compose has a memory limit, which REDIS_MAXMEMORY changes', async () => {
  const { services } = await project([], { REDIS_MAXMEMORY: '3gb' });
  expect([service('redis').command, services.redis?.command]).toEqual([
    ['--maxmemory', '1gb'],
    ['--maxmemory', '3gb'],
  ]);
});
