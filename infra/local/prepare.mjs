import { createHash } from 'node:crypto';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { staleInput } from '../build/inputs.mjs';
import { refuseFaults } from './settings.mjs';

/** The apps that `npm start` runs. */
const APPS = ['studio', 'api', 'worker', 'dispatcher', 'cli', 'simulator'].map((app) => `apps/${app}`);
const CONFIG = 'packages/config';
const LOCKFILE = 'pnpm-lock.yaml';
/** Records what was installed last. */
const INSTALLED = 'node_modules/.comfy-fleet-installed.json';
/** This folder exists if development dependencies are installed, by any command. */
const TOOL = 'node_modules/vitest';

/**
 * @typedef {{ root: string, env: NodeJS.ProcessEnv, run: import('./stack.mjs').Stack['run'],
 *   print: import('./printer.mjs').Printer }} Means
 */

/**
 * Installs the dependencies for running, and builds the apps. Does nothing if both are up to date.
 * @param {Means} means
 */
export async function prepareToRun(means) {
  await install(means, { forDevelopment: false });
  await build(means, APPS);
}

/**
 * Like `prepareToRun`, but checks the settings as early as possible. Their schema needs a library, so it is installed and
 * bundled first, which is quick.
 * @param {Means} means
 */
export async function prepareToStart(means) {
  await install(means, { forDevelopment: false });
  await build(means, [CONFIG]);
  const { settingFaults } = await import(pathToFileURL(join(means.root, CONFIG, 'dist/index.js')).href);
  refuseFaults(settingFaults(means.env));
  await build(means, APPS);
}

/**
 * Installs everything, and builds everything.
 * @param {Means} means
 */
export async function prepareForDevelopment(means) {
  await install(means, { forDevelopment: true });
  await build(means, [...APPS, CONFIG, 'apps/bench', 'packages/client', 'infra/npm']);
}

/**
 * Installs the dependencies of the lockfile unless they are installed. Fetches pnpm with npm, which comes with Node. Keeps
 * development dependencies that are already installed.
 * @param {Means} means
 * @param {{ forDevelopment: boolean }} options
 */
export async function install(means, { forDevelopment }) {
  const { root, env } = means;
  const lockfile = createHash('sha256')
    .update(readFileSync(join(root, LOCKFILE)))
    .digest('hex');
  const last = readJson(join(root, INSTALLED));
  if (last?.lockfile === lockfile && (last.forDevelopment || !forDevelopment)) return;
  const all = forDevelopment || existsSync(join(root, TOOL));
  const npm = env.npm_execpath?.endsWith('npm-cli.js')
    ? { command: process.execPath, args: [env.npm_execpath] }
    : { command: 'npm', args: [] };
  // Without --prefix, npm would use the versions in our package.json.
  const exec = ['exec', '--yes', '--prefix', tmpdir(), readJson(join(root, 'package.json')).packageManager, '--'];
  const pnpm = ['--dir', root, 'install', '--frozen-lockfile', '--config.confirmModulesPurge=false'];
  await runStep(means, {
    title: 'Installing dependencies',
    name: 'install',
    command: npm.command,
    args: [...npm.args, ...exec, ...pnpm, ...(all ? [] : ['--prod'])],
    env,
  });
  writeFileSync(join(root, INSTALLED), JSON.stringify({ lockfile, forDevelopment: all }));
}

/**
 * Builds the folders whose sources have changed since their last build.
 * @param {Means} means
 * @param {readonly string[]} folders
 */
async function build(means, folders) {
  const { root, env } = means;
  const stale = folders.filter((folder) => staleInput(root, folder) !== undefined);
  if (stale.length === 0) return;
  const args = [join(root, 'infra/build/build.mjs'), ...stale];
  await runStep(means, { title: 'Building', name: 'build', command: process.execPath, args, env });
}

/**
 * Runs a command as one step of a start. Shows its progress, and at the end how long it took. Prints its output only if it
 * fails.
 * @param {{ run: import('./stack.mjs').Stack['run'], print: import('./printer.mjs').Printer }} means
 * @param {{ title: string, name: string, command: string, args: readonly string[], env: NodeJS.ProcessEnv }} step
 */
export async function runStep({ run, print }, { title, name, command, args, env }) {
  const began = performance.now();
  /** @type {string[]} */
  const printed = [];
  const show = () => {
    const last = printed.findLast((line) => line.startsWith('Progress: '));
    const detail = last === undefined ? '' : `: ${last.slice('Progress: '.length)}`;
    print.progress(`${title}${detail} (${Math.round((performance.now() - began) / 1000)} s)`);
  };
  show();
  const ticking = setInterval(show, 1000);
  try {
    await run(name, command, args, env, (line) => printed.push(line));
  } catch (error) {
    for (const line of printed) print.line(name, line);
    throw error;
  } finally {
    clearInterval(ticking);
  }
  print.say(`${title}: ${((performance.now() - began) / 1000).toFixed(1)} s`);
}

/**
 * An environment whose PATH contains the tools of the workspace.
 * @param {string} root
 * @param {NodeJS.ProcessEnv} env
 * @returns {NodeJS.ProcessEnv}
 */
export function toolEnv(root, env) {
  const PATH = [join(root, 'node_modules/.bin'), env.PATH].join(delimiter);
  return { ...env, PATH, TURBO_TELEMETRY_DISABLED: '1', DO_NOT_TRACK: '1' };
}

/** @param {string} path */
function readJson(path) {
  return existsSync(path) ? JSON.parse(readFileSync(path, 'utf8')) : undefined;
}
