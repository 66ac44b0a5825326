import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { freePorts } from '@comfy-fleet/testing';
import { createRandom } from '../../lib/random.js';
import type { Scope } from '../../lib/scope.js';
import { type Caller, keysFile, makeCallers } from '../orders/callers.js';
import { type Fleet, launch } from '../stack/stack.js';
import { ChaosProcess } from '../stack/trial-process.js';
import { type Nginx, startNginx } from './nginx.js';
import { apiNames, dispatcherNames, environmentOf, FLEET, simulatorNames, workerNames } from './settings.js';

/** Redis, as this run needs it. */
export interface RunRedis {
  /** What the services' environment says of it. */
  readonly env: Readonly<Record<string, string>>;
  /** The folder with the append-only file that tells the whole run. */
  readonly dir: string;
}

/** Everything that runs, behind nginx. */
export interface Stack extends Fleet {
  readonly nginx: Nginx;
  /** Who may look at the fleet. */
  readonly operator: Caller;
  /** The metrics of each process that has some, `127.0.0.1:3003`, by the name of the service. */
  readonly metrics: ReadonlyMap<string, readonly string[]>;
  /** Of 127.0.0.1, used by nobody yet. */
  readonly freePort: number;
}

/** Starts the simulators, the apis, the workers, the dispatchers and nginx; all they write is under `dir`. */
export async function startStack(
  scope: Scope,
  { dir, redis, callers }: { readonly dir: string; readonly redis: RunRedis; readonly callers: readonly Caller[] },
): Promise<Stack> {
  const each = [...apiNames, ...apiNames, ...simulatorNames, ...workerNames, ...dispatcherNames];
  const ports = await freePorts(3 + each.length);
  const port = () => ports.pop() as number;
  const framesDir = join(dir, 'frames');
  const keys = join(dir, 'keys.json');
  const [operator] = makeCallers(createRandom(Date.now(), 0));
  const { keys: theirs } = keysFile(callers);
  const own = keysFile([operator]).keys.map((key) => ({ ...key, id: 'operator', scopes: ['admin'] }));
  await writeFile(keys, JSON.stringify({ keys: [...theirs, ...own] }));
  const common = environmentOf({ redis: redis.env, framesDir, keysFile: keys });
  const at = (port: number) => `http://127.0.0.1:${port}`;
  const journalOf = (simulator: string) => join(dir, `${simulator.replace('/', '-')}.journal.jsonl`);

  const simulatorPorts = new Map(simulatorNames.map((name) => [name, port()]));
  const urlOf = (name: string) => at(simulatorPorts.get(name) as number);
  const simulators = simulatorNames.map((name, n) => {
    const env = {
      SIMULATOR_PORT: `${simulatorPorts.get(name)}`,
      SIMULATOR_DIR: join(dir, name),
      SIMULATOR_JOURNAL: journalOf(name),
      SIMULATOR_STEP_MS: `${FLEET.stepMs}`,
      SIMULATOR_MODEL_LOAD_MS: `${FLEET.modelLoadMs}`,
      SIMULATOR_VERSION: n % 2 === 0 ? '0.3.64' : '0.33.0',
    };
    return new ChaosProcess(name, () => launch('simulator', env, `${urlOf(name)}/system_stats`));
  });
  const apiPorts = apiNames.map((name) => ({ name, port: port(), metricsPort: port() }));
  const apis = apiPorts.map(({ name, port, metricsPort }) => {
    const env = { ...common, PORT: `${port}`, API_METRICS_PORT: `${metricsPort}` };
    return new ChaosProcess(name, () => launch('api', env, `${at(port)}/readyz`));
  });
  const workerPorts = workerNames.map((name) => ({ name, port: port() }));
  const workers = workerPorts.map(({ name, port }) => {
    const urls = simulatorNames.filter((simulator) => simulator.startsWith(`${name}/`)).map(urlOf);
    const env = { ...common, WORKER_NAME: name, WORKER_HEALTH_PORT: `${port}`, COMFYUI_URLS: urls.join(',') };
    return new ChaosProcess(name, () => launch('worker', env, `${at(port)}/readyz`));
  });
  const dispatcherPorts = dispatcherNames.map((name) => ({ name, port: port() }));
  const dispatchers = dispatcherPorts.map(({ name, port }) => {
    const env = { ...common, DISPATCHER_HEALTH_PORT: `${port}` };
    return new ChaosProcess(name, () => launch('dispatcher', env, `${at(port)}/readyz`));
  });

  const all = [...simulators, ...apis, ...workers, ...dispatchers];
  scope.onClose(() => Promise.all(all.map((one) => one.close())));
  await Promise.all([...simulators, ...apis].map((one) => one.start()));
  await Promise.all([...workers, ...dispatchers].map((one) => one.start()));
  const nginx = await startNginx({ dir, port: port(), statusPort: port(), apis: apiPorts });
  scope.onClose(() => nginx.close());

  const addresses = (list: readonly { readonly port: number }[]) => list.map(({ port }) => `127.0.0.1:${port}`);
  return {
    apiUrl: nginx.url,
    all,
    simulators: simulatorNames,
    framesDir,
    get redisDir() {
      return redis.dir;
    },
    urlOf,
    journalOf,
    named: (name) => all.find((one) => one.name === name) as ChaosProcess,
    close: () => scope.close(),
    nginx,
    operator,
    freePort: port(),
    metrics: new Map([
      ['api', apiPorts.map(({ metricsPort }) => `127.0.0.1:${metricsPort}`)],
      ['worker', addresses(workerPorts)],
      ['dispatcher', addresses(dispatcherPorts)],
    ]),
  };
}
