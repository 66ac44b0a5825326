import { join, resolve } from 'node:path';
import { runMain } from '../../apps/cli/src/run-main.js';
import { loadEnvFile, settingFaults } from '../../packages/config/src/index.js';
import { toldSettings } from '../local/data-lock.mjs';
import { refuseFaults } from '../local/settings.mjs';

const DATA = '.comfy-fleet';
const PARENT_CHECK_MS = 500;

/** Runs the command line, which also starts everything here. */
export async function run() {
  loadEnvFile();
  const given = { ...process.env };
  // `doctor` and others look where `start` keeps its data
  Object.assign(process.env, { ...settingsOf(resolve(DATA)), ...toldSettings(DATA), ...given });
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

/** npx ends at a SIGTERM, and its shell with it, but does not pass it on to us. */
function stopWithParent() {
  const parent = process.ppid;
  const looking = setInterval(() => {
    if (process.ppid === parent) return;
    clearInterval(looking);
    process.kill(process.pid, 'SIGTERM');
  }, PARENT_CHECK_MS);
  looking.unref();
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
