import { cp, mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { freePorts, type RedisServer, ready, startRedisServer, startService } from '@comfy-fleet/testing';
import { inRepository } from '../../lib/repository.js';
import { CHAOS, restartsFileIn, serviceEnvironment } from '../chaos/settings.js';
import { type Caller, keysFile } from '../orders/callers.js';
import { dispatcherNames, simulatorNames, workerNames } from '../orders/plan.js';
import { ChaosProcess, type Launched } from './trial-process.js';

/** Redis never rewrites its append-only file: it tells the whole run. */
const WHOLE_FILE = ['--auto-aof-rewrite-percentage', '0'];
/** A process takes seconds to start while others do, too, on a machine with more of them than cores. */
const START_MS = 60_000;

/** The run's processes and the places where they leave their traces. */
export interface Fleet {
  readonly apiUrl: string;
  readonly all: readonly ChaosProcess[];
  /** Their names. */
  readonly simulators: readonly string[];
  readonly framesDir: string;
  readonly redisDir: string;
  urlOf(simulator: string): string;
  journalOf(simulator: string): string;
  named(name: string): ChaosProcess;
  close(): Promise<void>;
}

/**
 * Starts Redis, the simulators, the api, the dispatchers and the workers, each a process of its own; all they write is
 * under `dir`. The callers are let in.
 */
export async function startProcesses(dir: string, callers: readonly Caller[]): Promise<Fleet> {
  const ports = await freePorts(3 + workerNames.length + simulatorNames.length + dispatcherNames.length);
  const port = () => ports.pop() as number;
  const framesDir = join(dir, 'frames');
  const workflowsDir = join(dir, 'workflows');
  await shortDeadlines(workflowsDir);
  const keys = join(dir, 'keys.json');
  await writeFile(keys, JSON.stringify(keysFile(callers)));
  const apiPort = port();
  const metricsPort = port();
  const redisPort = port();
  const simulators = new Map(simulatorNames.map((name) => [name, port()]));
  const urlOf = (simulator: string) => `http://127.0.0.1:${simulators.get(simulator)}`;
  const journalOf = (simulator: string) => join(dir, `${simulator.replace('/', '-')}.journal.jsonl`);
  const environment = serviceEnvironment({
    redisUrl: `redis://127.0.0.1:${redisPort}`,
    framesDir,
    workflowsDir,
    keysFile: keys,
    restartsFile: restartsFileIn(dir),
  });

  let server: RedisServer | undefined;
  const redis = new ChaosProcess('redis', async () => {
    if (server === undefined) server = await startRedisServer({ port: redisPort, args: WHOLE_FILE });
    else await server.restart();
    const { pid, exited, stop } = server;
    return { pid, exited, output: '', end: stop, ready: async () => {} };
  });
  const api = new ChaosProcess('api', () =>
    launch(
      'api',
      { ...environment, PORT: `${apiPort}`, API_METRICS_PORT: `${metricsPort}` },
      `http://127.0.0.1:${apiPort}/livez`,
    ),
  );
  const dispatchers = dispatcherNames.map((name) => {
    const healthPort = port();
    const own = { DISPATCHER_HEALTH_PORT: `${healthPort}` };
    return new ChaosProcess(name, () =>
      launch('dispatcher', { ...environment, ...own }, `http://127.0.0.1:${healthPort}/livez`),
    );
  });
  const gpus = simulatorNames.map(
    (name, n) =>
      new ChaosProcess(name, async () => {
        const settings = {
          SIMULATOR_PORT: `${simulators.get(name)}`,
          SIMULATOR_DIR: join(dir, name),
          SIMULATOR_JOURNAL: journalOf(name),
          SIMULATOR_STEP_MS: `${CHAOS.stepMs}`,
          SIMULATOR_MODEL_LOAD_MS: `${CHAOS.modelLoadMs}`,
          SIMULATOR_VERSION: n % 2 === 0 ? '0.3.64' : '0.33.0',
        };
        return launch('simulator', settings, `${urlOf(name)}/system_stats`);
      }),
  );
  const workers = workerNames.map((name) => {
    const healthPort = port();
    const urls = simulatorNames.filter((simulator) => simulator.startsWith(`${name}/`)).map(urlOf);
    const own = { WORKER_NAME: name, WORKER_HEALTH_PORT: `${healthPort}`, COMFYUI_URLS: urls.join(',') };
    return new ChaosProcess(name, () =>
      launch('worker', { ...environment, ...own }, `http://127.0.0.1:${healthPort}/livez`),
    );
  });
  const all = [redis, api, ...gpus, ...workers, ...dispatchers];
  const close = async () => {
    await Promise.all(all.map((one) => one.close()));
    await server?.close();
  };
  try {
    await redis.start();
    await Promise.all([api, ...gpus].map((one) => one.start()));
    await Promise.all([...workers, ...dispatchers].map((one) => one.start()));
  } catch (error) {
    await close();
    throw error;
  }
  return {
    apiUrl: `http://127.0.0.1:${apiPort}`,
    all,
    simulators: simulatorNames,
    framesDir,
    redisDir: (server as RedisServer | undefined)?.dir ?? '',
    urlOf,
    journalOf,
    named: (name) => all.find((one) => one.name === name) as ChaosProcess,
    close,
  };
}

/** Starts one of the apps; it is ready when the URL answers 200. */
export async function launch(
  app: 'api' | 'worker' | 'dispatcher' | 'simulator',
  env: Record<string, string>,
  upUrl: string,
): Promise<Launched> {
  const service = startService(app, env);
  return {
    pid: service.pid,
    get output() {
      return service.output;
    },
    exited: service.exited,
    end: service.stop,
    ready: () => ready(service, upUrl, START_MS),
  };
}

/** The project's own workflows, with a deadline that ends a hanging prompt within the run. */
async function shortDeadlines(dir: string): Promise<void> {
  await mkdir(dir, { recursive: true });
  await cp(inRepository('workflows'), dir, { recursive: true });
  const file = join(dir, 'lod-profiles.json');
  const profiles = await readFile(file, 'utf8');
  await writeFile(
    file,
    profiles.replaceAll(/"deadline_seconds": \d+/g, `"deadline_seconds": ${CHAOS.deadlineSeconds}`),
  );
}
