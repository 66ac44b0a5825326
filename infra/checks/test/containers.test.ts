import { readFile } from 'node:fs/promises';
import { loadConfig, settingsSchema, simulatorSchema } from '@comfy-fleet/config';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { REDIS_IMAGE } from '../../local/redis-server.mjs';

interface Service {
  readonly image?: string;
  readonly command?: readonly string[];
  readonly build?: { readonly dockerfile: string; readonly target: string };
  readonly env_file?: readonly object[];
  readonly environment?: Readonly<Record<string, string>>;
  readonly volumes?: readonly (string | object)[];
  readonly healthcheck?: unknown;
  readonly restart?: string;
  readonly stop_grace_period?: string;
  readonly depends_on?: Readonly<Record<string, { readonly condition: string }>>;
  readonly profiles?: readonly string[];
}

const textOf = (path: string) => readFile(new URL(`../../../${path}`, import.meta.url), 'utf8');
const composeText = await textOf('docker-compose.yml');
const dockerfile = await textOf('infra/docker/Dockerfile');
const { services } = parse(composeText, { merge: true }) as { services: Record<string, Service> };
const ours = Object.entries(services).filter(([, service]) => service.build !== undefined);
const settings = new Set([settingsSchema, simulatorSchema].flatMap((schema) => Object.keys(schema.properties)));
const service = (name: string): Service => services[name] ?? expect.fail(`no service ${name}`);

describe('docker-compose.yml', () => {
  it('gives the services only variables that they read', () => {
    const named = ours.flatMap(([, { environment }]) => Object.keys(environment ?? {}));
    const passedOn = [...composeText.matchAll(/\$\{(\w+)/g)].map((match) => match[1] ?? '');
    expect(named.length).toBeGreaterThan(5);
    expect([...named, ...passedOn].filter((name) => !settings.has(name))).toEqual([]);
  });

  it('has every setting of a .env file reach our services, and runs without such a file', () => {
    expect(ours.length).toBeGreaterThan(3);
    for (const [, { env_file }] of ours) expect(env_file).toEqual([{ path: '.env', required: false }]);
    expect(service('redis').env_file).toBeUndefined();
  });

  it('takes no path and no address of the machine from there that is another in the containers', () => {
    const own: Record<string, readonly string[]> = {
      api: ['HOST', 'PORT', 'REDIS_URL', 'FRAMES_DIR', 'WORKFLOWS_DIR', 'API_KEYS_FILE'],
      worker: ['REDIS_URL', 'FRAMES_DIR', 'WORKFLOWS_DIR', 'COMFYUI_OUTPUT_DIRS', 'COMFYUI_INPUT_DIRS'],
      dispatcher: ['REDIS_URL', 'FRAMES_DIR', 'API_KEYS_FILE', 'DISPATCHER_HEALTH_HOST', 'DISPATCHER_HEALTH_PORT'],
      simulator: ['SIMULATOR_HOST', 'SIMULATOR_PORT', 'SIMULATOR_DIR'],
    };
    expect(Object.keys(own).sort()).toEqual(ours.map(([name]) => name).sort());
    for (const [name, settingsOfIts] of Object.entries(own)) {
      const { environment = {} } = service(name);
      expect(settingsOfIts.filter((each) => environment[each] === undefined)).toEqual([]);
    }
    const { WORKER_HEALTH_HOST, WORKER_HEALTH_PORT } = service('worker').environment ?? {};
    expect(dockerfile).toContain(`http://${WORKER_HEALTH_HOST}:${WORKER_HEALTH_PORT}/readyz`);
  });

  it('runs the Redis that npm start runs in Docker', () => {
    expect(service('redis').image).toBe(REDIS_IMAGE);
  });

  it('runs a Redis that keeps what was accepted', () => {
    const command = service('redis').command?.join(' ');
    expect(command).toContain('--appendonly yes --appendfsync always');
    expect(command).toContain('--maxmemory-policy noeviction');
    expect(service('redis').volumes).toEqual(['redis:/data']);
    expect(service('redis').healthcheck).toBeDefined();
  });

  it('starts api, worker and dispatcher when Redis is healthy, and shares the frames between them', () => {
    for (const name of ['api', 'worker', 'dispatcher']) {
      expect(service(name).depends_on?.redis?.condition).toBe('service_healthy');
      expect(service(name).volumes).toContain('frames:/data/frames');
      expect(service(name).environment?.FRAMES_DIR).toBe('/data/frames');
    }
  });

  it('starts everything again that dies, and the simulator only when it is asked for', () => {
    expect(Object.values(services).map(({ restart }) => restart)).toEqual(Array(5).fill('unless-stopped'));
    expect(
      Object.entries(services)
        .filter(([, { profiles }]) => profiles?.includes('simulator'))
        .map(([name]) => name),
    ).toEqual(['simulator']);
  });

  it('gives a stopping worker longer than it lets its job go on', () => {
    const grace = Number.parseInt(service('worker').stop_grace_period ?? '', 10);
    expect(grace).toBeGreaterThan(loadConfig({}).worker.drainSeconds);
  });

  it('gives a stopping dispatcher longer than a receiver may take for its answer', () => {
    const grace = Number.parseInt(service('dispatcher').stop_grace_period ?? '', 10);
    expect(grace * 1000).toBeGreaterThan(loadConfig({}).webhooks.timeoutMs + 5000);
  });

  it('builds targets that the Dockerfile has', () => {
    const targets = [...dockerfile.matchAll(/^FROM base AS (\w+)$/gm)].map((match) => match[1]);
    expect(ours.map(([, { build }]) => build?.target).sort()).toEqual(targets.sort());
  });
});

describe('the Dockerfile', () => {
  it('sets only variables that the apps or the tools read', () => {
    const others = ['CI', 'TURBO_TELEMETRY_DISABLED', 'DO_NOT_TRACK', 'NODE_ENV'];
    const set = [...dockerfile.matchAll(/^ENV (.+)$/gm)].flatMap(([, line = '']) =>
      [...line.matchAll(/(\w+)=/g)].map((match) => match[1] ?? ''),
    );
    expect(set.length).toBeGreaterThan(5);
    expect(set.filter((name) => !settings.has(name) && !others.includes(name))).toEqual([]);
  });

  it('runs as a user without rights and tells whether it is healthy', () => {
    expect(dockerfile).toMatch(/^USER node$/m);
    expect(dockerfile.match(/^HEALTHCHECK .*CMD \["node", "healthcheck\.mjs", "http:\S+"\]$/gm)).toHaveLength(
      ours.length,
    );
  });
});

describe('.env.example', () => {
  it('names only variables that exist', async () => {
    const names = [...(await textOf('.env.example')).matchAll(/^# ?([A-Z_]+)=/gm)].map((match) => match[1] ?? '');
    expect(names.length).toBeGreaterThan(5);
    expect(names.filter((name) => !settings.has(name))).toEqual([]);
  });
});
