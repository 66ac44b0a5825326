import { aptInstall, findApt } from '../local/apt.mjs';
import { Problem } from '../local/problem.mjs';
import { findProgram } from '../local/redis-binary.mjs';
import { startOwnEngine } from './own-engine.mjs';
import { ended, ok } from './shell.mjs';

/**
 * `env` is what `docker` needs to reach it; `stop` ends it if we started it.
 * @typedef {{ env: NodeJS.ProcessEnv, isOwn: boolean, stop(): Promise<void> }} Engine
 */

/** The first that knows `start_interval` of health checks. */
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
 * The Docker engine that is here; else, for root on a Debian, one of our own, installed with apt-get if need be.
 * @param {{ dataFolder: string, say: (text: string) => void, signal: AbortSignal }} options
 * @returns {Promise<Engine>}
 */
export async function findEngine({ dataFolder, say, signal }) {
  if (!(await answers())) {
    if (process.getuid?.() !== 0) {
      throw new Problem(
        'No Docker engine answers here. Start one, or run this as root on a Debian: it then installs one.',
      );
    }
    await install(say, signal);
  }
  // the package may have started it
  if (await answers()) return { env: process.env, isOwn: false, stop: async () => undefined };
  say(`Starting a Docker engine in ${dataFolder}`);
  return startOwnEngine(dataFolder, signal);
}

/**
 * Throws a Problem when it is too old for our files.
 * @param {Engine} engine
 * @returns {Promise<string>} its version, and that of Compose
 */
export async function requireVersion({ env }) {
  const engine = (await ok('docker', ['version', '--format', '{{.Server.Version}}'], { env })).trim();
  const compose = (await ok('docker', ['compose', 'version', '--short'], { env })).trim();
  if (Number.parseInt(engine, 10) < OLDEST) {
    throw new Problem(`Docker Engine ${engine} is too old for docker-compose.yml (start_interval): ${OLDEST} or newer`);
  }
  return `Engine ${engine}, Compose ${compose}`;
}

async function answers() {
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
    throw new Problem(`No Docker engine answers here. To start one I need ${packages.join(', ')}.`);
  say(`Installing ${packages.join(', ')} with apt-get`);
  await aptInstall(apt, packages, {
    env,
    run: async (_name, command, args, env = process.env) => void (await ok(command, args, { env, signal })),
  });
}
