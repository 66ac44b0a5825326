import { aptInstall, findApt } from '../local/apt.mjs';
import { Problem } from '../local/problem.mjs';
import { findProgram } from '../local/redis-binary.mjs';
import { startOwnEngine } from './own-engine.mjs';
import { ended, ok } from './shell.mjs';

/**
 * `env` is the environment with which `docker` reaches the engine; `stop` ends the engine if we started it.
 * @typedef {{ env: NodeJS.ProcessEnv, isOwn: boolean, stop(): Promise<void> }} Engine
 */

/** The oldest major version that supports `start_interval` of health checks. */
const OLDEST = 25;
const PROGRAMS = [
  { program: 'dockerd', package: 'docker.io' },
  { program: 'docker', package: 'docker-cli' },
  { program: 'docker-compose', package: 'docker-compose' },
  { program: 'debootstrap', package: 'debootstrap' },
  { program: 'iptables', package: 'iptables' },
  { program: 'nft', package: 'nftables' },
];

/**
 * Returns the running Docker engine. If there is none, starts one, and installs it with apt-get if necessary (root on Debian).
 * @param {{ dataFolder: string, say: (text: string) => void, signal: AbortSignal }} options
 * @returns {Promise<Engine>}
 */
export async function findEngine({ dataFolder, say, signal }) {
  if (!(await isRunning())) {
    if (process.getuid?.() !== 0) {
      throw new Problem(
        'No Docker engine is running. Start one, or run this command as root on Debian to install one.',
      );
    }
    await install(say, signal);
  }
  // The package may have started the engine.
  if (await isRunning()) return { env: process.env, isOwn: false, stop: async () => undefined };
  say(`Starting a Docker engine in ${dataFolder}`);
  return startOwnEngine(dataFolder, signal);
}

/**
 * Throws a Problem if the engine is too old for docker-compose.yml.
 * @param {Engine} engine
 * @returns {Promise<string>} the versions of the engine and of Compose
 */
export async function requireVersion({ env }) {
  const engine = (await ok('docker', ['version', '--format', '{{.Server.Version}}'], { env })).trim();
  const compose = (await ok('docker', ['compose', 'version', '--short'], { env })).trim();
  if (Number.parseInt(engine, 10) < OLDEST) {
    throw new Problem(`Docker Engine ${engine} is too old for docker-compose.yml (start_interval): ${OLDEST} or newer`);
  }
  return `Engine ${engine}, Compose ${compose}`;
}

async function isRunning() {
  const ask = ended('docker', ['version', '--format', '{{.Server.Version}}'], { withinMs: 20_000 });
  return ask.then(
    ({ code }) => code === 0,
    () => false,
  );
}

/**
 * @param {(text: string) => void} say
 * @param {AbortSignal} signal
 */
async function install(say, signal) {
  const { env } = process;
  const missing = PROGRAMS.filter(({ program }) => findProgram(program, env, ['/usr/sbin', '/sbin']) === undefined);
  if (missing.length === 0) return;
  const packages = missing.map((each) => each.package);
  const apt = findApt({ env });
  if (apt === undefined)
    throw new Problem(`No Docker engine is running. Starting one requires ${packages.join(', ')}.`);
  say(`Installing ${packages.join(', ')} with apt-get`);
  await aptInstall(apt, packages, {
    env,
    run: async (_name, command, args, env = process.env) => void (await ok(command, args, { env, signal })),
  });
}
