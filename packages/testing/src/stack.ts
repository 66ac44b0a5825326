import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { overridesEnv } from '@comfy-fleet/config';
import { uniquePrefix } from './builders.js';
import { removeFolder } from './lifecycle.js';
import { freePort, onFreePort } from './ports.js';
import { type App, ready, type Service, startService } from './service.js';

/** A whole service for tests: an api, workers and dispatchers as real processes, with the given ComfyUIs. */
export interface TestStack {
  /** Address of the api, without a trailing slash. */
  readonly url: string;
  readonly framesDir: string;
  readonly api: StackService;
  /** Starts a worker and waits until it is ready. */
  startWorker(
    name: string,
    comfyuiUrls: readonly string[],
    env?: Readonly<Record<string, string>>,
  ): Promise<StackService>;
  /** Starts a dispatcher, which may call webhooks on this machine, and waits until it is ready. */
  startDispatcher(env?: Readonly<Record<string, string>>): Promise<StackService>;
  close(): Promise<void>;
}

/** A process of the stack, and the address of its /livez, /readyz and /metrics. */
export type StackService = Service & { readonly healthUrl: string };

export interface TestStackOptions {
  readonly redisUrl: string;
  /** Further settings for all processes. */
  readonly env?: Readonly<Record<string, string>>;
}

export async function startStack({ redisUrl, env = {} }: TestStackOptions): Promise<TestStack> {
  const dir = await mkdtemp(join(tmpdir(), 'comfy-fleet-test-'));
  const framesDir = join(dir, 'frames');
  const common = {
    REDIS_URL: redisUrl,
    KEY_PREFIX: uniquePrefix(),
    // A live Redis answers, however busy the machine is; tests that stop it set a shorter timeout.
    REDIS_TIMEOUT_MS: '30000',
    FRAMES_DIR: framesDir,
    // No live process loses a lock, however busy the machine is; tests that need locks to expire set a shorter time.
    LOCK_MS: '600000',
    ...overridesEnv({ queue: { sweepSeconds: 1 }, worker: { announceSeconds: 1 } }),
    LOG_LEVEL: 'debug',
    ...env,
  };
  const services: Service[] = [];
  const begin = async (start: AppStart, own: Readonly<Record<string, string>> = {}): Promise<StackService> => {
    const { app, healthUrl } = start;
    const service = startService(app, { ...common, ...start.env, ...own });
    services.push(service);
    await ready(service, `${healthUrl}/readyz`);
    return Object.assign(service, { healthUrl });
  };
  const close = async () => {
    await Promise.all(services.map((service) => service.stop('SIGKILL')));
    await removeFolder(dir);
  };
  const startApi = () =>
    onFreePort(async (port) => {
      const start = apiOn(port, await freePort());
      return { api: await begin(start), url: start.url };
    });
  const { api, url } = await startApi().catch(async (error: unknown) => {
    await close();
    throw error;
  });
  return {
    url,
    framesDir,
    api,
    startWorker: (name, comfyuiUrls, own) => onFreePort((port) => begin(workerOn(port, name, comfyuiUrls), own)),
    startDispatcher: (own) => onFreePort((port) => begin(dispatcherOn(port), { WEBHOOK_ALLOW: '127.0.0.0/8', ...own })),
    close,
  };
}

/** How to start one of the apps. */
export interface AppStart {
  readonly app: App;
  /** Settings of this process alone. */
  readonly env: Readonly<Record<string, string>>;
  /** Its address for callers; for an app without one, its health address. */
  readonly url: string;
  /** Address of /livez, /readyz and /metrics; for the simulator, `url`. */
  readonly healthUrl: string;
}

const at = (port: number) => `http://127.0.0.1:${port}`;

export function apiOn(port: number, metricsPort: number): AppStart {
  const env = { PORT: `${port}`, API_METRICS_PORT: `${metricsPort}` };
  return { app: 'api', env, url: at(port), healthUrl: at(metricsPort) };
}

export function workerOn(port: number, name: string, comfyuiUrls: readonly string[]): AppStart {
  const env = { WORKER_NAME: name, COMFYUI_URLS: comfyuiUrls.join(','), WORKER_HEALTH_PORT: `${port}` };
  return { app: 'worker', env, url: at(port), healthUrl: at(port) };
}

export function dispatcherOn(port: number): AppStart {
  return { app: 'dispatcher', env: { DISPATCHER_HEALTH_PORT: `${port}` }, url: at(port), healthUrl: at(port) };
}

/** `dir` is its folder for pictures; `settings` are as PATCH /simulator/settings takes them. */
export function simulatorOn(port: number, dir: string, settings: Readonly<Record<string, unknown>>): AppStart {
  const env = { SIMULATOR_PORT: `${port}`, SIMULATOR_DIR: dir, SIMULATOR_SETTINGS: JSON.stringify(settings) };
  return { app: 'simulator', env, url: at(port), healthUrl: at(port) };
}
