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

/** How many of each there are. */
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
  /** Named as their instances are, in the order of their workers: worker1 has the first ones. */
  readonly simulators: readonly string[];
  readonly dispatchers: readonly string[];
}

/** `api1`, `worker1`, `worker1/1`, `dispatcher1`; an api that is the only one is just `api`. */
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

/** Gives each process ports that it keeps through all its lives, and each worker its simulators; all by name. */
async function assignPorts(names: StackNames, dir: string): Promise<ReadonlyMap<string, AppStart>> {
  const starts = new Map<string, AppStart>();
  for (const name of names.simulators) {
    starts.set(name, simulatorOn(await freePort(), { dir: join(dir, name), journal: journalOf(name, dir) }));
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

/** The file in which a simulator notes what it executes. */
function journalOf(simulator: string, dir: string): string {
  return join(dir, `${simulator.replace('/', '-')}.journal.jsonl`);
}

/** A process takes seconds to start while others do, too, on a machine with more of them than cores. */
const START_MS = 60_000;

/** Redis never rewrites its append-only file: it tells the whole run. */
export const WHOLE_FILE = ['--auto-aof-rewrite-percentage', '0'];

/** Redis, as a trial needs it. */
export interface TrialRedis {
  /** What the services' environment says of it. */
  readonly env: Readonly<Record<string, string>>;
  /** The folder with the append-only file that tells the whole run. */
  readonly dir: string;
  /** Where it is killed as the others are. */
  readonly process?: TrialProcess;
}

/** The processes of a trial and the files in which they leave their traces. */
export interface TrialStack {
  /** Where callers ask. */
  readonly apiUrl: string;
  readonly all: readonly TrialProcess[];
  /** Their names. */
  readonly simulators: readonly string[];
  readonly framesDir: string;
  readonly redis: TrialRedis;
  urlOf(app: string): string;
  /** Where it serves /metrics. */
  healthUrlOf(app: string): string;
  journalOf(simulator: string): string;
  named(name: string): TrialProcess;
}

export interface TrialStackOptions {
  /** All they write goes under it. */
  readonly dir: string;
  readonly names: StackNames;
  readonly redis: TrialRedis;
  /** Of those who are let in. */
  readonly keys: ApiKeysFile['keys'];
  /** More settings of the apis, the workers and the dispatchers. */
  readonly env: Readonly<Record<string, string>>;
  readonly simulator: { readonly stepMs: number; readonly modelLoadMs: number };
  /** What api, worker and dispatcher answer with 200 when they count as up. */
  readonly upPath: '/livez' | '/readyz';
  /** A built checkout of another version: apis, workers and dispatchers run it until their first restart. */
  readonly before?: string | undefined;
}

/** Starts simulators, apis, workers and dispatchers, each a process of its own, which the scope ends. */
export async function startTrialStack(scope: Scope, options: TrialStackOptions): Promise<TrialStack> {
  const { dir, names, redis, keys, env, simulator, upPath, before } = options;
  const framesDir = join(dir, 'frames');
  const keysFile = join(dir, 'keys.json');
  await writeFile(keysFile, JSON.stringify({ keys }));
  const shared = {
    ...redis.env,
    FRAMES_DIR: framesDir,
    API_KEYS_FILE: keysFile,
    WEBHOOK_ALLOW: '127.0.0.1',
    // The machine's disk is not what is tried here.
    MIN_FREE_BYTES: '0',
    LOG_LEVEL: 'debug',
    ...env,
  };
  const starts = await assignPorts(names, dir);
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
  const simulators = names.simulators.map((name, n) => {
    const pace = { SIMULATOR_STEP_MS: `${simulator.stepMs}`, SIMULATOR_MODEL_LOAD_MS: `${simulator.modelLoadMs}` };
    const version = n % 2 === 0 ? '0.3.64' : '0.33.0';
    return processOf(name, { ...pace, SIMULATOR_VERSION: version }, '/system_stats');
  });
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
