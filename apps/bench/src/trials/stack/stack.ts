import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { ApiKeysFile } from '@comfy-fleet/contracts';
import {
  type AppStart,
  apiOn,
  dispatcherOn,
  freePort,
  ready,
  simulatorOn,
  startService,
  workerOn,
} from '@comfy-fleet/testing';
import type { Scope } from '../../lib/scope.js';
import { TrialProcess } from './trial-process.js';

/** The number of processes of each kind. */
export interface Shape {
  readonly apis: number;
  readonly workers: number;
  readonly simulatorsPerWorker: number;
  readonly dispatchers: number;
}

/** The processes of a stack by name. */
export interface StackNames {
  readonly apis: readonly string[];
  readonly workers: readonly string[];
  /** They have the names of their instances, in the order of their workers. */
  readonly simulators: readonly string[];
  readonly dispatchers: readonly string[];
}

/** `api1`, `worker1`, `worker1/1`, `dispatcher1`. A single API is called `api`. */
export function namesOf({ apis, workers, simulatorsPerWorker, dispatchers }: Shape): StackNames {
  const workerNames = numbered('worker', workers);
  return {
    apis: apis === 1 ? ['api'] : numbered('api', apis),
    workers: workerNames,
    simulators: workerNames.flatMap((worker) => numbered(`${worker}/`, simulatorsPerWorker)),
    dispatchers: numbered('dispatcher', dispatchers),
  };
}

function numbered(word: string, count: number): string[] {
  return Array.from({ length: count }, (_, n) => `${word}${n + 1}`);
}

/** Assigns ports that processes keep when they are restarted, and simulators to workers. By name. */
async function assignPorts({
  names,
  dir,
  simulator,
  simulatorSettings = () => ({}),
}: TrialStackOptions): Promise<ReadonlyMap<string, AppStart>> {
  const starts = new Map<string, AppStart>();
  const pace = { step_ms: simulator.stepMs, model_load_ms: simulator.modelLoadMs };
  for (const [n, name] of names.simulators.entries()) {
    const own = { version: n % 2 === 0 ? '0.3.64' : '0.33.0', journal: journalOf(name, dir) };
    const settings = { ...pace, ...own, ...simulatorSettings(name) };
    starts.set(name, simulatorOn(await freePort(), join(dir, name), settings));
  }
  for (const name of names.apis) starts.set(name, apiOn(await freePort(), await freePort()));
  for (const name of names.workers) {
    const own = names.simulators.filter((simulator) => simulator.startsWith(`${name}/`));
    const urls = own.flatMap((simulator) => starts.get(simulator)?.url ?? []);
    starts.set(name, workerOn(await freePort(), name, urls));
  }
  for (const name of names.dispatchers) starts.set(name, dispatcherOn(await freePort()));
  return starts;
}

/** The journal of a simulator. */
function journalOf(simulator: string, dir: string): string {
  return join(dir, `${simulator.replace('/', '-')}.journal.jsonl`);
}

/** Starting takes long if other processes start at the same time and there are few cores. */
const START_MS = 60_000;

/** Redis must not rewrite its append-only file, so that it contains the whole run. */
export const WHOLE_FILE = ['--auto-aof-rewrite-percentage', '0'];

/** The Redis of a trial. */
export interface TrialRedis {
  /** The environment variables with which services find it. */
  readonly env: Readonly<Record<string, string>>;
  /** The folder with the append-only file of the whole run. */
  readonly dir: string;
  /** Its process, if it can be killed. */
  readonly process?: TrialProcess;
}

/** The processes of a trial and their files. */
export interface TrialStack {
  /** The URL for requests. */
  readonly apiUrl: string;
  readonly all: readonly TrialProcess[];
  /** The names of the simulators. */
  readonly simulators: readonly string[];
  readonly framesDir: string;
  readonly redis: TrialRedis;
  urlOf(app: string): string;
  /** The URL of its /metrics. */
  healthUrlOf(app: string): string;
  journalOf(simulator: string): string;
  named(name: string): TrialProcess;
}

export interface TrialStackOptions {
  /** The folder for everything that they write. */
  readonly dir: string;
  readonly names: StackNames;
  readonly redis: TrialRedis;
  /** The content of API_KEYS_FILE. */
  readonly keys: ApiKeysFile['keys'];
  /** More settings of APIs, workers and dispatchers. */
  readonly env: Readonly<Record<string, string>>;
  readonly simulator: { readonly stepMs: number; readonly modelLoadMs: number };
  /** More settings of each simulator. */
  readonly simulatorSettings?: (name: string) => Readonly<Record<string, unknown>>;
  /** The path on which APIs, workers and dispatchers answer 200 when they are up. */
  readonly upPath: '/livez' | '/readyz';
  /** The folder of a built checkout, which APIs, workers and dispatchers run until their first restart. */
  readonly before?: string | undefined;
}

/** Starts simulators, APIs, workers and dispatchers as processes, which the scope stops. */
export async function startTrialStack(scope: Scope, options: TrialStackOptions): Promise<TrialStack> {
  const { dir, names, redis, keys, env, upPath, before } = options;
  const framesDir = join(dir, 'frames');
  const keysFile = join(dir, 'keys.json');
  await writeFile(keysFile, JSON.stringify({ keys }));
  const shared = {
    ...redis.env,
    FRAMES_DIR: framesDir,
    API_KEYS_FILE: keysFile,
    WEBHOOK_ALLOW: '127.0.0.1',
    // Free disk space is not part of the trial.
    MIN_FREE_BYTES: '0',
    LOG_LEVEL: 'debug',
    ...env,
  };
  const starts = await assignPorts(options);
  const startOf = (name: string) => starts.get(name) as AppStart;
  const processOf = (name: string, more: Readonly<Record<string, string>>, path: string) => {
    const { app, env: own, url } = startOf(name);
    let cwd = app === 'simulator' ? undefined : before;
    return new TrialProcess(name, async () => {
      const service = startService(app, { ...more, ...own }, cwd === undefined ? {} : { cwd });
      cwd = undefined;
      return { service, ready: () => ready(service, `${url}${path}`, START_MS) };
    });
  };
  const simulators = names.simulators.map((name) => processOf(name, {}, '/system_stats'));
  const apis = names.apis.map((name) => processOf(name, shared, upPath));
  const others = [...names.workers, ...names.dispatchers].map((name) => processOf(name, shared, upPath));
  const started = [...simulators, ...apis, ...others];
  scope.onClose(() => Promise.all(started.map((one) => one.close())));
  await Promise.all([...simulators, ...apis].map((one) => one.start()));
  await Promise.all(others.map((one) => one.start()));

  const all = [...(redis.process === undefined ? [] : [redis.process]), ...started];
  return {
    apiUrl: startOf(names.apis[0] as string).url,
    all,
    simulators: names.simulators,
    framesDir,
    redis,
    urlOf: (app) => startOf(app).url,
    healthUrlOf: (app) => startOf(app).healthUrl,
    journalOf: (name) => journalOf(name, dir),
    named: (name) => all.find((one) => one.name === name) as TrialProcess,
  };
}
