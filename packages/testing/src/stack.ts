import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { overridesEnv } from '@comfy-fleet/config';
import { type AppStart, apiOn, dispatcherOn, workerOn } from './app-settings.js';
import { freePort, onFreePort } from './ports.js';
import { uniquePrefix } from './prefix.js';
import { removeFolder } from './remove-folder.js';
import { ready, type Service, startService } from './service.js';

/** A whole service for tests: an api, workers and dispatchers as real processes over the ComfyUIs given. */
export interface TestStack {
  /** Of the api, without a slash at its end. */
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

/** A process of the stack with the address at which it answers /livez, /readyz and /metrics. */
export type StackService = Service & { readonly healthUrl: string };

export interface TestStackOptions {
  readonly redisUrl: string;
  /** More settings, for all of them. */
  readonly env?: Readonly<Record<string, string>>;
}

export async function startStack({ redisUrl, env = {} }: TestStackOptions): Promise<TestStack> {
  const dir = await mkdtemp(join(tmpdir(), 'comfy-fleet-test-'));
  const framesDir = join(dir, 'frames');
  const common = {
    REDIS_URL: redisUrl,
    KEY_PREFIX: uniquePrefix(),
    // A Redis that is there answers, however busy the machine is; tests that take it away say how soon that is to be noticed.
    REDIS_TIMEOUT_MS: '30000',
    FRAMES_DIR: framesDir,
    // Nobody who lives loses a lock, however busy the machine is; tests that need locks to lapse say how soon.
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
