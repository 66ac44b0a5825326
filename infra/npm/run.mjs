import { join, resolve } from 'node:path';
import { runMain } from '../../apps/cli/src/run-main.js';
import { loadEnvFile, settingFaults } from '../../packages/config/src/index.js';
import { publishedSettings } from '../local/data-lock.mjs';
import { refuseFaults } from '../local/settings.mjs';

const DATA = '.comfy-fleet';
const PARENT_CHECK_MS = 500;

/** Runs the CLI, whose `start` runs everything here. */
export async function run() {
  loadEnvFile();
  const given = { ...process.env };
  // Let `doctor` and other commands use the data of `start`.
  Object.assign(process.env, { ...settingsOf(resolve(DATA)), ...publishedSettings(DATA), ...given });
  await runMain({ start: ({ data = DATA }) => start(resolve(data), given) });
}

/**
 * @param {string} dataDir
 * @param {NodeJS.ProcessEnv} given
 */
async function start(dataDir, given) {
  const { startStack } = await import('../local/start-stack.mjs');
  const installation = {
    folder: process.cwd(),
    dataDir,
    program: (/** @type {string} */ name) => join(import.meta.dirname, `${name}.mjs`),
    startCommand: 'npx comfy-fleet start',
    cliCommand: 'npx comfy-fleet',
  };
  const env = { ...settingsOf(dataDir), ...given };
  if (given.npm_command === 'exec') stopWithParent();
  return startStack({ installation, env, prepare: async () => refuseFaults(settingFaults(env)) });
}

/** Stops when npx is gone: npx and its shell exit on SIGTERM without passing it on. */
function stopWithParent() {
  const parent = process.ppid;
  const polling = setInterval(() => {
    if (process.ppid === parent) return;
    clearInterval(polling);
    process.kill(process.pid, 'SIGTERM');
  }, PARENT_CHECK_MS);
  polling.unref();
}

/**
 * The settings whose defaults are for a checkout.
 * @param {string} dataDir
 */
function settingsOf(dataDir) {
  return {
    FRAMES_DIR: join(dataDir, 'frames'),
    SIMULATOR_DIR: join(dataDir, 'simulator'),
    WORKFLOWS_DIR: join(import.meta.dirname, '../workflows'),
  };
}
