import { join, resolve } from 'node:path';
import { freePort, httpUrl, listens } from './ports.mjs';
import { Problem } from './problem.mjs';
import { untilReady } from './ready.mjs';
import { provideRedis } from './redis-provision.mjs';
import { isWorthShowing, redisAnswers, redisCommand } from './redis-server.mjs';
import { SIMULATED, welcome } from './welcome.mjs';

/**
 * @typedef {{
 *   root: string, env: NodeJS.ProcessEnv, settings: import('./settings.mjs').RunnerSettings,
 *   fleet: import('./fleet.mjs').Fleet, print: import('./printer.mjs').Printer,
 *   lock: import('./data-lock.mjs').DataLock, signal: AbortSignal, began: number,
 * }} Context
 */

/**
 * Starts Redis, the simulator, the dispatcher, the worker and the api, waits until all are ready, and says how to go on.
 * They are started in this order, so that they are stopped in the opposite one.
 * @param {Context} context
 */
export async function bringUp(context) {
  const { env, settings, print, signal, began } = context;
  const redis = await redisSettings(context);
  const comfyuiUrls = settings.comfyuiUrls ?? (await startSimulator(context));
  // What nobody set, `npm run doctor` would not find.
  context.lock.tell({
    ...redis,
    ...(settings.comfyuiUrls === undefined ? { COMFYUI_URLS: comfyuiUrls } : {}),
  });
  const disk = settings.comfyuiUrls === undefined ? simulatorDisk(context) : {};
  const port = settings.port === 0 ? await freePort(settings.host) : settings.port;
  const metricsPort = settings.apiMetricsPort === 0 ? await freePort() : settings.apiMetricsPort;
  const healthPort = settings.workerHealthPort === 0 ? await freePort() : settings.workerHealthPort;
  const dispatcherPort = settings.dispatcherHealthPort === 0 ? await freePort() : settings.dispatcherHealthPort;

  const own = {
    ...serviceEnv(env),
    ...redis,
    COMFYUI_URLS: comfyuiUrls,
    ...webhooksToThisMachine(context),
  };
  startService(context, 'dispatcher', { ...own, DISPATCHER_HEALTH_PORT: `${dispatcherPort}` }, 20_000);
  // a worker that is started again under its old name finds the prompts that it left in its instances; a Redis that
  // is shared needs a name of this machine, which is the service's own default
  const name = env.WORKER_NAME || (isOwn(settings) ? 'local' : undefined);
  const worker = {
    ...own,
    ...disk,
    WORKER_HEALTH_PORT: `${healthPort}`,
    ...(name === undefined ? {} : { WORKER_NAME: name }),
  };
  startService(context, 'worker', worker, (settings.drainSeconds + 10) * 1000);
  startService(context, 'api', { ...own, PORT: `${port}`, API_METRICS_PORT: `${metricsPort}` }, 15_000);

  const url = httpUrl(settings.host, port);
  await Promise.all([
    untilReady('api', `${url}/readyz`, { signal, print }),
    untilReady('worker', `${httpUrl(settings.workerHealthHost, healthPort)}/readyz`, { signal, print }),
    untilReady('dispatcher', `${httpUrl(settings.dispatcherHealthHost, dispatcherPort)}/readyz`, { signal, print }),
  ]);
  print.say(
    welcome({ url, simulated: settings.comfyuiUrls === undefined, seconds: (performance.now() - began) / 1000 }),
  );
}

/** @param {import('./settings.mjs').RunnerSettings} settings */
function isOwn({ redisUrl, redisIsElsewhere }) {
  return redisUrl === undefined && !redisIsElsewhere;
}

/**
 * Starts Redis unless the settings name one. Whether Sentinels, a Cluster, or what a file names can be reached, the
 * services find out.
 * @param {Context} context
 * @returns {Promise<NodeJS.ProcessEnv>}
 */
async function redisSettings(context) {
  const { settings } = context;
  if (isOwn(settings)) return { REDIS_URL: await startRedis(context) };
  if (settings.redisUrl !== undefined && !settings.redisIsElsewhere) await requireRedis(settings.redisUrl);
  return {};
}

/**
 * @param {Context} context
 * @returns {Promise<string>} its URL
 */
async function startRedis({ root, env, fleet, print, lock, signal }) {
  const source = await provideRedis({ env, run: fleet.run, say: print.say, mayUseDocker: true });
  const port = await freePort();
  const { command, args } = redisCommand(source, port, join(root, '.data/redis'));
  const onStart = (/** @type {number} */ pid) => lock.record('redis', pid);
  fleet.start('redis', command, args, { env, graceMs: 15_000, shows: isWorthShowing, onStart });
  await redisAnswers(port, signal);
  return `redis://127.0.0.1:${port}`;
}

/**
 * @param {Context} context
 * @returns {Promise<string>} its URL
 */
async function startSimulator(context) {
  const { env, settings, print, signal } = context;
  for (const line of SIMULATED) print.say(line);
  const port = settings.simulatorPort === 0 ? await freePort() : settings.simulatorPort;
  startService(context, 'simulator', { ...serviceEnv(env), SIMULATOR_PORT: `${port}` }, 5_000);
  await untilReady('simulator', `http://127.0.0.1:${port}/system_stats`, { signal, print });
  return `http://127.0.0.1:${port}`;
}

/**
 * The simulator's folders are on this machine, so the worker can clean up in them.
 * @param {Context} context
 * @returns {NodeJS.ProcessEnv}
 */
function simulatorDisk({ root, env }) {
  const dir = resolve(root, env.SIMULATOR_DIR || '.data/simulator');
  return { COMFYUI_OUTPUT_DIRS: join(dir, 'output'), COMFYUI_INPUT_DIRS: join(dir, 'input') };
}

/**
 * Who tries webhooks for the first time has a receiver on this very machine, which the guard against internal targets
 * refuses. While only this machine reaches the api, nobody else can use that to reach what listens here.
 * @param {Context} context
 * @returns {NodeJS.ProcessEnv}
 */
function webhooksToThisMachine({ env, settings }) {
  const isLoopback = /^(127\.[\d.]+|::1|localhost)$/.test(settings.host);
  return isLoopback && env.WEBHOOK_ALLOW === undefined ? { WEBHOOK_ALLOW: '127.0.0.0/8,localhost,::1' } : {};
}

/**
 * @param {Context} context
 * @param {string} name
 * @param {NodeJS.ProcessEnv} env
 * @param {number} graceMs
 */
function startService({ root, fleet, lock }, name, env, graceMs) {
  const onStart = (/** @type {number} */ pid) => lock.record(name, pid);
  fleet.start(name, process.execPath, [join(root, 'apps', name, 'dist/main.js')], { env, graceMs, onStart });
}

/**
 * @param {NodeJS.ProcessEnv} env
 * @returns {NodeJS.ProcessEnv}
 */
function serviceEnv(env) {
  return { ...env, NODE_ENV: env.NODE_ENV || 'production', LOG_FORMAT: env.LOG_FORMAT || 'pretty' };
}

/** @param {string} text */
async function requireRedis(text) {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url === undefined || !/^rediss?:$/.test(url.protocol)) {
    throw new Problem('REDIS_URL: write it as redis://host:port or rediss://host:port');
  }
  const port = Number(url.port || 6379);
  if (!(await listens(url.hostname.replace(/^\[|\]$/g, ''), port))) {
    throw new Problem(
      `REDIS_URL: nothing answers at ${url.hostname}:${port}. Start it, or unset REDIS_URL to let npm start run one.`,
    );
  }
}
