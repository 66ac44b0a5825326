import { spawn } from 'node:child_process';
import { join, resolve } from 'node:path';
import { text } from 'node:stream/consumers';
import { livingChild } from './data-lock.mjs';
import { httpUrl, listens, portFor } from './ports.mjs';
import { Problem } from './problem.mjs';
import { untilReady, watch } from './ready.mjs';
import { provideRedis } from './redis-provision.mjs';
import { isWorthShowing, redisAnswers, redisLaunch } from './redis-server.mjs';
import { startsRedis, startsSimulator, webhooksToThisMachine } from './settings.mjs';
import { welcome } from './welcome.mjs';

/**
 * @typedef {{
 *   installation: import('./installation.mjs').Installation, env: NodeJS.ProcessEnv, settings: import('./settings.mjs').RunnerSettings,
 *   stack: import('./stack.mjs').Stack, print: import('./printer.mjs').Printer,
 *   lock: import('./data-lock.mjs').DataLock, signal: AbortSignal, began: number,
 *   given: NodeJS.ProcessEnv,
 * }} Context `given`: the environment before `.env` was loaded
 */

/** The simulator keeps as many results as our image of ComfyUI does with `--cache-lru 64`. */
const CACHE_LRU = '{"cache_lru":64}';

/**
 * Starts Redis, the simulator, the dispatcher, the worker and the API, waits until all are ready, and prints what to do next.
 * They are stopped in the opposite order.
 * @param {Context} context
 */
export async function bringUp(context) {
  const { env, settings, print, signal, began } = context;
  const redis = await redisSettings(context);
  const simulated = startsSimulator(settings);
  const comfyui = simulated ? { COMFYUI_URLS: await startSimulator(context) } : {};
  const ofSimulator = simulated ? simulatorSettings(context) : {};
  const port = portFor(settings.port, settings.host);
  const metricsPort = portFor(settings.apiMetricsPort, settings.healthHost);
  const healthPort = portFor(settings.workerHealthPort, settings.healthHost);
  const dispatcherPort = portFor(settings.dispatcherHealthPort, settings.healthHost);

  const own = {
    ...serviceEnv(env),
    ...redis,
    ...comfyui,
    ...webhooksToThisMachine(env, settings),
  };
  startService(context, 'dispatcher', own, { ports: { DISPATCHER_HEALTH_PORT: dispatcherPort }, graceMs: 20_000 });
  // A worker that restarts under the same name finds its prompts in the instances. With a shared Redis, the name must identify
  // this machine, which is the default of the service.
  const name = env.WORKER_NAME || (startsRedis(settings) ? 'local' : undefined);
  const named = name === undefined ? {} : { WORKER_NAME: name };
  const worker = { ...own, ...ofSimulator, ...named };
  const published = { ...forCommands(context.given), ...redis, ...comfyui, ...named };
  context.lock.publish(published);
  const looking = checkInstances({ ...context, env: worker });
  const graceMs = (settings.drainSeconds + 10) * 1000;
  startService(context, 'worker', worker, { ports: { WORKER_HEALTH_PORT: healthPort }, graceMs });
  startService(context, 'api', own, { ports: { PORT: port, API_METRICS_PORT: metricsPort }, graceMs: 15_000 });

  const readyAt = (/** @type {string} */ host, /** @type {import('./ports.mjs').Port} */ { number }) =>
    `${httpUrl(host, number)}/readyz`;
  await Promise.all([
    untilReady('api', () => readyAt(settings.host, port), { signal, print }),
    untilReady('worker', () => readyAt(settings.healthHost, healthPort), { signal, print }),
    untilReady('dispatcher', () => readyAt(settings.healthHost, dispatcherPort), { signal, print }),
  ]);
  for (const one of [port, metricsPort, healthPort, dispatcherPort]) one.keep();
  void watch(
    () => `${httpUrl(settings.host, port.number)}/livez`,
    () => killHung(context, 'api'),
    signal,
  );
  context.lock.publish({ ...published, PORT: `${port.number}` });
  const url = httpUrl(settings.host, port.number);
  const first = await looking;
  // Now at least one instance answers; others may have started meanwhile.
  const { needs } = first.silent === 0 ? first : await checkInstances({ ...context, env: worker }, first.lines);
  const studio = env.STUDIO !== 'off';
  const seconds = (performance.now() - began) / 1000;
  print.say(
    welcome({
      installation: context.installation,
      url,
      simulated,
      studio,
      keys: Boolean(env.API_KEYS_FILE),
      needs,
      seconds,
    }),
  );
}

/**
 * What `npm run doctor` and other commands have to know of the environment of this start, because it need not be theirs. They
 * read `.env` themselves.
 * @param {NodeJS.ProcessEnv} given
 */
function forCommands({ REDIS_URL, COMFYUI_URLS, COMFYUI_INSTANCES_FILE, CHECKPOINT }) {
  return { REDIS_URL, COMFYUI_URLS, COMFYUI_INSTANCES_FILE, CHECKPOINT };
}

/**
 * Starts Redis unless the settings name one. Does not check Sentinels, a Cluster, or an address in a file; the services do.
 * @param {Context} context
 * @returns {Promise<NodeJS.ProcessEnv>}
 */
async function redisSettings(context) {
  const { settings, installation } = context;
  if (startsRedis(settings)) return { REDIS_URL: await startRedis(context) };
  if (settings.redisUrl !== undefined && !settings.redisIsElsewhere)
    await requireRedis(settings.redisUrl, installation.startCommand);
  return {};
}

/**
 * @param {Context} context
 * @returns {Promise<string>} its URL
 */
async function startRedis({ installation, env, settings, stack, print, lock, signal }) {
  const means = { env, run: stack.run, say: print.say, packagesDir: join(installation.dataDir, 'packages') };
  const source = await provideRedis({ ...means, mayUseDocker: true });
  const port = portFor(settings.redisPort);
  const dir = join(installation.dataDir, 'redis');
  const next = async () => ({ ...(await redisLaunch(source, await port.next(), dir, settings.redisMaxmemory)), env });
  const onStart = (/** @type {number} */ pid) => lock.record('redis', pid);
  stack.start('redis', { next, graceMs: 15_000, shows: isWorthShowing, onStart });
  await redisAnswers(() => port.number, signal);
  port.keep();
  return `redis://127.0.0.1:${port.number}`;
}

/**
 * Kills a hung process, which the supervisor then restarts.
 * @param {Context} context
 * @param {string} name
 */
function killHung({ installation, print }, name) {
  const pid = livingChild(installation.dataDir, name);
  if (pid === undefined) return;
  print.line(name, 'hung: it does not answer; killing it');
  process.kill(pid, 'SIGKILL');
}

/**
 * @param {Context} context
 * @returns {Promise<string>} its URL
 */
async function startSimulator(context) {
  const { env, settings, print, signal } = context;
  const port = portFor(settings.simulatorPort);
  const own = { ...serviceEnv(env), SIMULATOR_SETTINGS: env.SIMULATOR_SETTINGS || CACHE_LRU };
  startService(context, 'simulator', own, { ports: { SIMULATOR_PORT: port }, graceMs: 5_000 });
  await untilReady('simulator', () => `http://127.0.0.1:${port.number}/system_stats`, { signal, print });
  port.keep();
  return `http://127.0.0.1:${port.number}`;
}

/**
 * The simulator runs on this machine, so the worker can clean up in its folders, fetch models for it, and restart it.
 * @param {Context} context
 * @returns {NodeJS.ProcessEnv}
 */
function simulatorSettings({ installation, env }) {
  const dir = resolve(installation.folder, env.SIMULATOR_DIR || '.data/simulator');
  const script = join(import.meta.dirname, 'restart-simulator.mjs');
  const restart = [process.execPath, script, installation.dataDir].map(shellQuoted).join(' ');
  return {
    COMFYUI_OUTPUT_DIRS: join(dir, 'output'),
    COMFYUI_INPUT_DIRS: join(dir, 'input'),
    COMFYUI_TEMP_DIRS: join(dir, 'temp'),
    COMFYUI_MODELS_DIR: join(dir, 'models'),
    COMFYUI_RESTART_COMMAND: env.COMFYUI_RESTART_COMMAND || restart,
  };
}

/** @param {string} text */
function shellQuoted(text) {
  if (process.platform === 'win32') return `"${text}"`;
  return `'${text.replaceAll("'", "'\\''")}'`;
}

/**
 * @param {Context} context
 * @param {string} name
 * @param {NodeJS.ProcessEnv} env
 * @param {{ ports: Record<string, import('./ports.mjs').Port>, graceMs: number }} options ports by their settings
 */
function startService({ installation, stack, lock }, name, env, { ports, graceMs }) {
  const next = async () => {
    const own = { ...env };
    for (const [variable, port] of Object.entries(ports)) own[variable] = `${await port.next()}`;
    return { command: process.execPath, args: [installation.program(name)], env: own };
  };
  const onStart = (/** @type {number} */ pid) => lock.record(name, pid);
  stack.start(name, { next, graceMs, onStart });
}

/**
 * @param {NodeJS.ProcessEnv} env
 * @returns {NodeJS.ProcessEnv}
 */
function serviceEnv(env) {
  return { ...env, NODE_ENV: env.NODE_ENV || 'production', LOG_FORMAT: env.LOG_FORMAT || 'pretty' };
}

/**
 * @param {string} text
 * @param {string} startCommand
 */
async function requireRedis(text, startCommand) {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url === undefined || !/^rediss?:$/.test(url.protocol)) {
    throw new Problem('REDIS_URL: write it as redis://host:port or rediss://host:port');
  }
  const port = Number(url.port || 6379);
  if (!(await listens(url.hostname.replace(/^\[|\]$/g, ''), port))) {
    throw new Problem(
      `REDIS_URL: nothing answers at ${url.hostname}:${port}. Start it, or unset REDIS_URL to let ${startCommand} run one.`,
    );
  }
}

/**
 * The checkpoint that a request for a picture must name so that an instance can run it, if any. Null if no instance can run
 * it; undefined if that is unknown.
 * @typedef {{ checkpoint: string | null } | null | undefined} Needs
 * @typedef {{ lines: readonly string[], silent: number, needs: Needs }} InstanceCheck `silent`: how many instances do not answer
 */

/**
 * Checks each ComfyUI of the settings and prints a line for each, so that one that does not answer, is not a ComfyUI or lacks a
 * model is reported at once. Runs the CLI in a separate process, because the CLI is built and this runner is not. If that
 * fails, the services will report why. Does not repeat lines that were `printed` before.
 * @param {{ installation: import('./installation.mjs').Installation, env: NodeJS.ProcessEnv, print: import('./printer.mjs').Printer, signal: AbortSignal }} context
 * @param {readonly string[]} [printed]
 * @returns {Promise<InstanceCheck>}
 */
async function checkInstances({ installation, env, print, signal }, printed = []) {
  const child = spawn(process.execPath, [installation.program('cli'), 'instances', '--json'], {
    cwd: installation.folder,
    env,
    stdio: ['ignore', 'pipe', 'ignore'],
    signal,
  });
  child.on('error', () => undefined); // aborted by the requested stop
  try {
    const { instances, text2img } = JSON.parse(await text(child.stdout));
    const lines = instances.map((/** @type {{ text: string }} */ one) => one.text);
    for (const line of lines) if (!printed.includes(line)) print.line('comfyui', line);
    const silent = instances.filter((/** @type {{ answers: boolean }} */ { answers }) => !answers).length;
    return { lines, silent, needs: text2img };
  } catch {
    return { lines: [], silent: 0, needs: undefined };
  }
}
