import type { App } from './service.js';

/** One of the apps as it is to be started. */
export interface AppStart {
  readonly app: App;
  /** What is set in it and in no other process. */
  readonly env: Readonly<Record<string, string>>;
  /** Where it serves callers; of an app that has none, where it tells of its health. */
  readonly url: string;
  /** Where it answers /livez, /readyz and /metrics; of the simulator, `url`. */
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

/** `dir` is where it keeps its pictures. */
export function simulatorOn(port: number, { dir, journal }: { dir: string; journal: string }): AppStart {
  const env = { SIMULATOR_PORT: `${port}`, SIMULATOR_DIR: dir, SIMULATOR_JOURNAL: journal };
  return { app: 'simulator', env, url: at(port), healthUrl: at(port) };
}
