import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { Problem } from './problem.mjs';

/**
 * The settings that the runner itself needs. The services read the others from the same variables.
 * @typedef {{
 *   host: string, port: number, healthHost: string, apiMetricsPort: number,
 *   workerHealthPort: number, dispatcherHealthPort: number, simulatorPort: number,
 *   redisUrl: string | undefined, redisIsElsewhere: boolean, redisPort: number, redisMaxmemory: string | undefined, comfyuiUrls: string | undefined,
 *   instancesFile: string | undefined, drainSeconds: number,
 * }} RunnerSettings
 */

/**
 * Loads `.env`, which does not override existing variables, and reads the settings. Port 0 means any free port.
 * @param {string} root
 * @param {NodeJS.ProcessEnv} env
 * @returns {RunnerSettings}
 */
export function readRunnerSettings(root, env) {
  const file = join(root, '.env');
  if (env === process.env && existsSync(file)) process.loadEnvFile(file);
  return {
    host: text(env.HOST) ?? '127.0.0.1',
    port: number(env, 'PORT', 3000, 65_535),
    healthHost: text(env.HEALTH_HOST) ?? '127.0.0.1',
    apiMetricsPort: number(env, 'API_METRICS_PORT', 0, 65_535),
    workerHealthPort: number(env, 'WORKER_HEALTH_PORT', 0, 65_535),
    dispatcherHealthPort: number(env, 'DISPATCHER_HEALTH_PORT', 0, 65_535),
    simulatorPort: number(env, 'SIMULATOR_PORT', 0, 65_535),
    redisUrl: text(env.REDIS_URL),
    redisIsElsewhere: ['REDIS_SENTINELS', 'REDIS_CLUSTER', 'REDIS_URL_FILE'].some(
      (name) => text(env[name]) !== undefined,
    ),
    redisPort: number(env, 'REDIS_PORT', 0, 65_535),
    redisMaxmemory: memory(env, 'REDIS_MAXMEMORY'),
    comfyuiUrls: text(env.COMFYUI_URLS),
    instancesFile: text(env.COMFYUI_INSTANCES_FILE),
    drainSeconds: number(env, 'DRAIN_SECONDS', 60, 86_400),
  };
}

/**
 * Throws a Problem with all faults of the settings. Otherwise services that refuse them would be restarted again and again.
 * @param {readonly string[]} faults
 */
export function refuseFaults(faults) {
  const lines = faults.map((fault) => `${fault}.`);
  if (lines.length > 0) throw new Problem('Some settings are wrong:', lines);
}

/**
 * Whether to start a Redis, because the settings name none.
 * @param {RunnerSettings} settings
 */
export function startsRedis({ redisUrl, redisIsElsewhere }) {
  return redisUrl === undefined && !redisIsElsewhere;
}

/**
 * Whether to start a simulator, because the settings name no ComfyUI.
 * @param {RunnerSettings} settings
 */
export function startsSimulator({ comfyuiUrls, instancesFile }) {
  return comfyuiUrls === undefined && instancesFile === undefined;
}

/**
 * Allows webhooks to this machine, so that people can try them with a local receiver, although its address is private. Only if
 * nobody else reaches the API and there are no keys: otherwise callers could send requests to everything that listens on
 * loopback.
 * @param {NodeJS.ProcessEnv} env
 * @param {RunnerSettings} settings
 * @returns {NodeJS.ProcessEnv}
 */
export function webhooksToThisMachine(env, { host }) {
  const isLoopback = /^(127\.[\d.]+|::1|localhost)$/.test(host);
  const isForOneUser = isLoopback && text(env.API_KEYS_FILE) === undefined;
  return isForOneUser && env.WEBHOOK_ALLOW === undefined ? { WEBHOOK_ALLOW: '127.0.0.0/8,localhost,::1' } : {};
}

/** @param {string | undefined} value */
function text(value) {
  const trimmed = value?.trim();
  return trimmed === '' ? undefined : trimmed;
}

/**
 * @param {NodeJS.ProcessEnv} env
 * @param {string} name
 * @param {number} otherwise
 * @param {number} most
 */
function number(env, name, otherwise, most) {
  const written = text(env[name]);
  if (written === undefined) return otherwise;
  const value = Number(written);
  if (!/^\d+$/.test(written) || value > most) {
    throw new Problem(`${name}=${written}: write a whole number from 0 to ${most}.`);
  }
  return value;
}

/**
 * An amount of memory in Redis's notation. Refuses 0, which would mean no limit.
 * @param {NodeJS.ProcessEnv} env
 * @param {string} name
 */
function memory(env, name) {
  const written = text(env[name]);
  if (written === undefined || /^[1-9]\d*([kmg]b?)?$/i.test(written)) return written;
  throw new Problem(`${name}=${written}: write a number of bytes, or a number with kb, mb or gb, such as 2gb.`);
}
